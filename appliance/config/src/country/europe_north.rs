use super::{Country, Plan, Service, analog};
use crate::Kind;

pub(super) const DK: Country = Country {
    code: "DK",
    name: "Denmark",
    calling_code: "45",
    international_prefixes: &["00"],
    national_prefix: "",
    plan: Plan::Closed,
    digits: (8, 8),
    bare: &[],
    emergency: &[("112", Service::General)],
    kinds: &[
        (Kind::National, &["2", "3", "4", "5", "6", "7", "8", "9"]),
        (Kind::TollFree, &["80"]),
        (Kind::Premium, &["90"]),
    ],
    short: &[
        (Kind::Service, &["1"]),
        (Kind::TollFree, &["116"]),
        (Kind::Premium, &["118"]),
    ],
    analog: &analog::DTMF_CALLER_ID,
};

pub(super) const EE: Country = Country {
    code: "EE",
    name: "Estonia",
    calling_code: "372",
    international_prefixes: &["00"],
    national_prefix: "",
    plan: Plan::Closed,
    digits: (7, 10),
    bare: &[],
    emergency: &[("112", Service::General)],
    kinds: &[
        (Kind::National, &["3", "4", "6", "7", "88"]),
        (Kind::Mobile, &["5", "81", "82", "83", "84"]),
        (Kind::TollFree, &["800"]),
        (Kind::Premium, &["90"]),
    ],
    short: &[
        (Kind::Service, &["1"]),
        (Kind::TollFree, &["116"]),
        (Kind::Premium, &["118"]),
    ],
    analog: &analog::LT,
};

pub(super) const FI: Country = Country {
    code: "FI",
    name: "Finland",
    calling_code: "358",
    international_prefixes: &["00"],
    national_prefix: "0",
    plan: Plan::AreaCodes,
    digits: (5, 12),
    bare: &[],
    emergency: &[("112", Service::General)],
    kinds: &[
        (
            Kind::National,
            &[
                "1", "2", "3", "5", "6", "8", "9", "10", "20", "29", "30", "71", "73", "75",
            ],
        ),
        (Kind::Mobile, &["4", "50"]),
        (Kind::TollFree, &["800"]),
        (Kind::Premium, &["600", "700", "7", "606"]),
    ],
    short: &[
        (Kind::Service, &["10", "11"]),
        (Kind::TollFree, &["116"]),
        (Kind::Premium, &["118"]),
    ],
    analog: &analog::DTMF_CALLER_ID,
};

pub(super) const IS: Country = Country {
    code: "IS",
    name: "Iceland",
    calling_code: "354",
    international_prefixes: &["00"],
    national_prefix: "",
    plan: Plan::Closed,
    digits: (7, 9),
    bare: &[],
    emergency: &[("112", Service::General)],
    kinds: &[
        (Kind::National, &["4", "5"]),
        (Kind::Mobile, &["6", "7", "8"]),
        (Kind::TollFree, &["800"]),
        (Kind::Premium, &["90"]),
    ],
    short: &[
        (Kind::Service, &["1"]),
        (Kind::TollFree, &["116"]),
        (Kind::Premium, &["118"]),
    ],
    analog: &analog::IS,
};

pub(super) const LT: Country = Country {
    code: "LT",
    name: "Lithuania",
    calling_code: "370",
    international_prefixes: &["00"],
    national_prefix: "0",
    plan: Plan::AreaCodes,
    digits: (8, 8),
    bare: &[],
    emergency: &[("112", Service::General)],
    kinds: &[
        (Kind::National, &["3", "4", "5"]),
        (Kind::Mobile, &["6"]),
        (Kind::TollFree, &["800"]),
        (Kind::SharedCost, &["70"]),
        (Kind::Premium, &["90"]),
    ],
    short: &[
        (Kind::Service, &["1"]),
        (Kind::TollFree, &["116"]),
        (Kind::Premium, &["118"]),
    ],
    analog: &analog::LT,
};

pub(super) const LV: Country = Country {
    code: "LV",
    name: "Latvia",
    calling_code: "371",
    international_prefixes: &["00"],
    national_prefix: "",
    plan: Plan::Closed,
    digits: (8, 8),
    bare: &[],
    emergency: &[
        ("112", Service::General),
        ("110", Service::Police),
        ("113", Service::Ambulance),
    ],
    kinds: &[
        (Kind::National, &["6"]),
        (Kind::Mobile, &["2"]),
        (Kind::TollFree, &["80"]),
        (Kind::SharedCost, &["81"]),
        (Kind::Premium, &["90"]),
    ],
    short: &[
        (Kind::Service, &["1", "8"]),
        (Kind::TollFree, &["116"]),
        (Kind::Premium, &["118"]),
    ],
    analog: &analog::LT,
};

pub(super) const NO: Country = Country {
    code: "NO",
    name: "Norway",
    calling_code: "47",
    international_prefixes: &["00"],
    national_prefix: "",
    plan: Plan::Closed,
    digits: (5, 12),
    bare: &[],
    emergency: &[
        ("112", Service::Police),
        ("110", Service::Fire),
        ("113", Service::Ambulance),
        ("120", Service::Marine),
    ],
    kinds: &[
        (Kind::National, &["2", "3", "5", "6", "7", "0"]),
        (Kind::Mobile, &["4", "9", "58", "59"]),
        (Kind::TollFree, &["800"]),
        (Kind::SharedCost, &["810", "815"]),
        (Kind::Premium, &["82"]),
    ],
    short: &[
        (Kind::Service, &["1"]),
        (Kind::TollFree, &["116"]),
        (Kind::Premium, &["18"]),
    ],
    analog: &analog::NO,
};

pub(super) const SE: Country = Country {
    code: "SE",
    name: "Sweden",
    calling_code: "46",
    international_prefixes: &["00"],
    national_prefix: "0",
    plan: Plan::AreaCodes,
    digits: (6, 10),
    bare: &[],
    emergency: &[("112", Service::General)],
    kinds: &[
        (Kind::National, &["1", "2", "3", "4", "5", "6", "8", "9"]),
        (Kind::Mobile, &["70", "72", "73", "76", "79"]),
        (Kind::TollFree, &["20", "200"]),
        (Kind::SharedCost, &["77"]),
        (Kind::Premium, &["900", "939", "944", "99", "71", "74"]),
    ],
    short: &[
        (Kind::Service, &["11"]),
        (Kind::TollFree, &["116"]),
        (Kind::Premium, &["118"]),
    ],
    analog: &analog::SE,
};
