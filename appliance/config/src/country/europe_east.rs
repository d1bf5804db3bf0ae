use super::{Country, Plan, Service, analog};
use crate::Kind;

pub(super) const BG: Country = Country {
    code: "BG",
    name: "Bulgaria",
    calling_code: "359",
    international_prefixes: &["00"],
    national_prefix: "0",
    plan: Plan::AreaCodes,
    digits: (7, 9),
    bare: &[],
    emergency: &[
        ("112", Service::General),
        ("166", Service::Police),
        ("160", Service::Fire),
        ("150", Service::Ambulance),
    ],
    kinds: &[
        (Kind::National, &["2", "3", "4", "5", "6", "7", "9"]),
        (Kind::Mobile, &["87", "88", "89", "98", "99"]),
        (Kind::TollFree, &["800"]),
        (Kind::SharedCost, &["700"]),
        (Kind::Premium, &["90"]),
    ],
    short: &[
        (Kind::Service, &["1"]),
        (Kind::TollFree, &["116"]),
        (Kind::Premium, &["118"]),
    ],
    analog: &analog::ETSI,
};

pub(super) const CZ: Country = Country {
    code: "CZ",
    name: "Czechia",
    calling_code: "420",
    international_prefixes: &["00"],
    national_prefix: "",
    plan: Plan::Closed,
    digits: (9, 9),
    bare: &[],
    emergency: &[
        ("112", Service::General),
        ("158", Service::Police),
        ("150", Service::Fire),
        ("155", Service::Ambulance),
        ("156", Service::Police),
    ],
    kinds: &[
        (Kind::National, &["2", "3", "4", "5"]),
        (Kind::Mobile, &["60", "70", "72", "73", "77", "79"]),
        (Kind::TollFree, &["800"]),
        (Kind::SharedCost, &["81", "82", "83", "84"]),
        (Kind::Premium, &["90", "97", "98", "99"]),
    ],
    short: &[
        (Kind::Service, &["1"]),
        (Kind::TollFree, &["116"]),
        (Kind::Premium, &["118"]),
    ],
    analog: &analog::CZ,
};

pub(super) const GR: Country = Country {
    code: "GR",
    name: "Greece",
    calling_code: "30",
    international_prefixes: &["00"],
    national_prefix: "",
    plan: Plan::Closed,
    digits: (10, 10),
    bare: &[],
    emergency: &[
        ("112", Service::General),
        ("100", Service::Police),
        ("199", Service::Fire),
        ("166", Service::Ambulance),
        ("108", Service::Marine),
    ],
    kinds: &[
        (Kind::National, &["2"]),
        (Kind::Mobile, &["69"]),
        (Kind::TollFree, &["800", "807"]),
        (Kind::SharedCost, &["801", "806"]),
        (Kind::Premium, &["90"]),
    ],
    short: &[
        (Kind::Service, &["1"]),
        (Kind::TollFree, &["116"]),
        (Kind::Premium, &["118"]),
    ],
    analog: &analog::GR,
};

pub(super) const HR: Country = Country {
    code: "HR",
    name: "Croatia",
    calling_code: "385",
    international_prefixes: &["00"],
    national_prefix: "0",
    plan: Plan::AreaCodes,
    digits: (6, 10),
    bare: &[],
    emergency: &[
        ("112", Service::General),
        ("192", Service::Police),
        ("193", Service::Fire),
        ("194", Service::Ambulance),
        ("195", Service::Marine),
    ],
    kinds: &[
        (Kind::National, &["1", "2", "3", "4", "5"]),
        (Kind::Mobile, &["91", "92", "95", "97", "98", "99"]),
        (Kind::TollFree, &["800"]),
        (Kind::SharedCost, &["72", "74"]),
        (Kind::Premium, &["60", "61", "64", "65", "69"]),
    ],
    short: &[
        (Kind::Service, &["1"]),
        (Kind::TollFree, &["116"]),
        (Kind::Premium, &["118"]),
    ],
    analog: &analog::HR,
};

pub(super) const HU: Country = Country {
    code: "HU",
    name: "Hungary",
    calling_code: "36",
    international_prefixes: &["00"],
    national_prefix: "06",
    plan: Plan::AreaCodes,
    digits: (8, 9),
    bare: &[],
    emergency: &[
        ("112", Service::General),
        ("107", Service::Police),
        ("105", Service::Fire),
        ("104", Service::Ambulance),
    ],
    kinds: &[
        (Kind::National, &["1", "21", "2", "3", "4", "5", "6", "7", "8", "9"]),
        (Kind::Mobile, &["20", "30", "31", "50", "70"]),
        (Kind::TollFree, &["80"]),
        (Kind::SharedCost, &["40", "51"]),
        (Kind::Premium, &["90", "91"]),
    ],
    short: &[
        (Kind::Service, &["1"]),
        (Kind::TollFree, &["116"]),
        (Kind::Premium, &["118"]),
    ],
    analog: &analog::HU,
};

pub(super) const PL: Country = Country {
    code: "PL",
    name: "Poland",
    calling_code: "48",
    international_prefixes: &["00"],
    national_prefix: "",
    plan: Plan::Closed,
    digits: (9, 9),
    bare: &[],
    emergency: &[
        ("112", Service::General),
        ("997", Service::Police),
        ("998", Service::Fire),
        ("999", Service::Ambulance),
        ("986", Service::Police),
        ("985", Service::Mountain),
    ],
    kinds: &[
        (Kind::National, &["1", "2", "3", "4", "5", "6", "7", "8", "9"]),
        (
            Kind::Mobile,
            &[
                "45", "50", "51", "53", "57", "60", "66", "69", "72", "73", "78", "79", "88",
            ],
        ),
        (Kind::TollFree, &["800"]),
        (Kind::SharedCost, &["801", "804"]),
        (Kind::Premium, &["70", "30", "40"]),
    ],
    short: &[
        (Kind::Service, &["9", "19"]),
        (Kind::TollFree, &["116"]),
        (Kind::Premium, &["118", "7"]),
    ],
    analog: &analog::ETSI,
};

pub(super) const RO: Country = Country {
    code: "RO",
    name: "Romania",
    calling_code: "40",
    international_prefixes: &["00"],
    national_prefix: "0",
    plan: Plan::Closed,
    digits: (9, 9),
    bare: &[],
    emergency: &[("112", Service::General)],
    kinds: &[
        (Kind::National, &["2", "3"]),
        (Kind::Mobile, &["7"]),
        (Kind::TollFree, &["800"]),
        (Kind::SharedCost, &["801"]),
        (Kind::Premium, &["90"]),
    ],
    short: &[
        (Kind::Service, &["1"]),
        (Kind::TollFree, &["116"]),
        (Kind::Premium, &["118"]),
    ],
    analog: &analog::RO,
};

pub(super) const SI: Country = Country {
    code: "SI",
    name: "Slovenia",
    calling_code: "386",
    international_prefixes: &["00"],
    national_prefix: "0",
    plan: Plan::AreaCodes,
    digits: (7, 8),
    bare: &[],
    emergency: &[("112", Service::General), ("113", Service::Police)],
    kinds: &[
        (Kind::National, &["1", "2", "3", "4", "5", "7", "59"]),
        (
            Kind::Mobile,
            &["30", "31", "40", "41", "51", "64", "65", "68", "69", "70", "71"],
        ),
        (Kind::TollFree, &["80"]),
        (Kind::SharedCost, &["81", "82"]),
        (Kind::Premium, &["90"]),
    ],
    short: &[
        (Kind::Service, &["1"]),
        (Kind::TollFree, &["116"]),
        (Kind::Premium, &["118"]),
    ],
    analog: &analog::HR,
};

pub(super) const SK: Country = Country {
    code: "SK",
    name: "Slovakia",
    calling_code: "421",
    international_prefixes: &["00"],
    national_prefix: "0",
    plan: Plan::AreaCodes,
    digits: (9, 9),
    bare: &[],
    emergency: &[
        ("112", Service::General),
        ("158", Service::Police),
        ("150", Service::Fire),
        ("155", Service::Ambulance),
        ("159", Service::Police),
    ],
    kinds: &[
        (Kind::National, &["2", "3", "4", "5"]),
        (Kind::Mobile, &["90", "91", "92", "93", "94", "95"]),
        (Kind::TollFree, &["800"]),
        (Kind::SharedCost, &["85"]),
        (Kind::Premium, &["97", "98", "99"]),
    ],
    short: &[
        (Kind::Service, &["1"]),
        (Kind::TollFree, &["116"]),
        (Kind::Premium, &["118"]),
    ],
    analog: &analog::CZ,
};

pub(super) const TR: Country = Country {
    code: "TR",
    name: "Turkey",
    calling_code: "90",
    international_prefixes: &["00"],
    national_prefix: "0",
    plan: Plan::AreaCodes,
    digits: (10, 10),
    bare: &[],
    emergency: &[
        ("112", Service::General),
        ("155", Service::Police),
        ("110", Service::Fire),
        ("156", Service::Police),
        ("158", Service::Marine),
        ("177", Service::Fire),
    ],
    kinds: &[
        (Kind::National, &["2", "3", "4", "850"]),
        (Kind::Mobile, &["50", "53", "54", "55"]),
        (Kind::TollFree, &["800"]),
        (Kind::SharedCost, &["811"]),
        (Kind::Premium, &["888", "898", "900"]),
    ],
    short: &[(Kind::Service, &["1"]), (Kind::Premium, &["118"])],
    analog: &analog::TR,
};
