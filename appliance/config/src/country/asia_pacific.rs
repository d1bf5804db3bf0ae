use super::{Country, Plan, Service, analog};
use crate::Kind;

pub(super) const AE: Country = Country {
    code: "AE",
    name: "United Arab Emirates",
    calling_code: "971",
    international_prefixes: &["00"],
    national_prefix: "0",
    plan: Plan::AreaCodes,
    digits: (7, 10),
    bare: &["800", "600", "900", "700"],
    emergency: &[
        ("999", Service::Police),
        ("997", Service::Fire),
        ("998", Service::Ambulance),
        ("996", Service::Marine),
        ("112", Service::Police),
    ],
    kinds: &[
        (Kind::National, &["2", "3", "4", "6", "7", "9"]),
        (Kind::Mobile, &["50", "52", "54", "55", "56", "58"]),
        (Kind::TollFree, &["800"]),
        (Kind::SharedCost, &["600"]),
        (Kind::Premium, &["900", "700"]),
    ],
    short: &[(Kind::Service, &["1", "9"])],
    analog: &analog::AE,
};

pub(super) const AU: Country = Country {
    code: "AU",
    name: "Australia",
    calling_code: "61",
    international_prefixes: &["0011"],
    national_prefix: "0",
    plan: Plan::AreaCodes,
    digits: (6, 10),
    bare: &["1"],
    emergency: &[("000", Service::General), ("106", Service::General)],
    kinds: &[
        (Kind::National, &["2", "3", "7", "8", "55"]),
        (Kind::Mobile, &["4"]),
        (Kind::TollFree, &["1800", "180"]),
        (Kind::SharedCost, &["13"]),
        (Kind::Premium, &["19"]),
    ],
    short: &[(Kind::Service, &["12"])],
    analog: &analog::AU,
};

pub(super) const CN: Country = Country {
    code: "CN",
    name: "China",
    calling_code: "86",
    international_prefixes: &["00"],
    national_prefix: "0",
    plan: Plan::AreaCodes,
    digits: (8, 12),
    bare: &["1"],
    emergency: &[
        ("110", Service::Police),
        ("119", Service::Fire),
        ("120", Service::Ambulance),
        ("122", Service::Police),
    ],
    kinds: &[
        (Kind::National, &["10", "2", "3", "4", "5", "6", "7", "8", "9"]),
        (Kind::Mobile, &["13", "14", "15", "16", "17", "18", "19"]),
        (Kind::TollFree, &["800"]),
        (Kind::SharedCost, &["400"]),
        (Kind::Premium, &["1680"]),
    ],
    short: &[(Kind::Service, &["1", "9"])],
    analog: &analog::CN,
};

pub(super) const HK: Country = Country {
    code: "HK",
    name: "Hong Kong",
    calling_code: "852",
    international_prefixes: &["001"],
    national_prefix: "",
    plan: Plan::Closed,
    digits: (8, 12),
    bare: &[],
    emergency: &[
        ("999", Service::General),
        ("112", Service::General),
        ("992", Service::General),
    ],
    kinds: &[
        (Kind::National, &["2", "3"]),
        (Kind::Mobile, &["4", "5", "6", "7", "8", "9"]),
        (Kind::TollFree, &["800"]),
        (Kind::Premium, &["900"]),
    ],
    short: &[(Kind::Service, &["1"])],
    analog: &analog::HK,
};

pub(super) const IL: Country = Country {
    code: "IL",
    name: "Israel",
    calling_code: "972",
    international_prefixes: &["00", "012", "013", "014", "018"],
    national_prefix: "0",
    plan: Plan::AreaCodes,
    digits: (8, 10),
    bare: &["1"],
    emergency: &[
        ("112", Service::General),
        ("100", Service::Police),
        ("102", Service::Fire),
        ("101", Service::Ambulance),
    ],
    kinds: &[
        (Kind::National, &["2", "3", "4", "7", "8", "9"]),
        (Kind::Mobile, &["5"]),
        (Kind::TollFree, &["180"]),
        (Kind::SharedCost, &["170", "159"]),
        (Kind::Premium, &["190", "191"]),
    ],
    short: &[(Kind::Service, &["1"])],
    analog: &analog::IL,
};

pub(super) const IN: Country = Country {
    code: "IN",
    name: "India",
    calling_code: "91",
    international_prefixes: &["00"],
    national_prefix: "0",
    plan: Plan::AreaCodes,
    digits: (10, 11),
    bare: &["18", "19", "2", "3", "4", "5", "6", "7", "8", "9"],
    emergency: &[
        ("112", Service::General),
        ("100", Service::Police),
        ("101", Service::Fire),
        ("102", Service::Ambulance),
        ("108", Service::Ambulance),
    ],
    kinds: &[
        (Kind::National, &["1", "2", "3", "4", "5"]),
        (Kind::Mobile, &["6", "7", "8", "9"]),
        (Kind::TollFree, &["1800"]),
        (Kind::SharedCost, &["186"]),
        (Kind::Premium, &["19"]),
    ],
    short: &[(Kind::Service, &["1"])],
    analog: &analog::IN,
};

pub(super) const JP: Country = Country {
    code: "JP",
    name: "Japan",
    calling_code: "81",
    international_prefixes: &["010"],
    national_prefix: "0",
    plan: Plan::AreaCodes,
    digits: (9, 10),
    bare: &[],
    emergency: &[
        ("110", Service::Police),
        ("119", Service::Fire),
        ("119", Service::Ambulance),
        ("118", Service::Marine),
    ],
    kinds: &[
        (Kind::National, &["1", "2", "3", "4", "5", "6", "7", "8", "9"]),
        (Kind::Mobile, &["70", "80", "90", "60"]),
        (Kind::TollFree, &["120", "800"]),
        (Kind::SharedCost, &["570"]),
        (Kind::Premium, &["990"]),
    ],
    short: &[(Kind::Service, &["1"])],
    analog: &analog::JP,
};

pub(super) const KR: Country = Country {
    code: "KR",
    name: "South Korea",
    calling_code: "82",
    international_prefixes: &["001", "002", "00700"],
    national_prefix: "0",
    plan: Plan::AreaCodes,
    digits: (8, 11),
    bare: &["15", "16", "18"],
    emergency: &[
        ("112", Service::Police),
        ("119", Service::Fire),
        ("119", Service::Ambulance),
        ("122", Service::Marine),
    ],
    kinds: &[
        (Kind::National, &["2", "3", "4", "5", "6", "70"]),
        (Kind::Mobile, &["10", "11"]),
        (Kind::TollFree, &["80"]),
        (Kind::SharedCost, &["15", "16", "18"]),
        (Kind::Premium, &["60"]),
    ],
    short: &[(Kind::Service, &["1"])],
    analog: &analog::KR,
};

pub(super) const MY: Country = Country {
    code: "MY",
    name: "Malaysia",
    calling_code: "60",
    international_prefixes: &["00"],
    national_prefix: "0",
    plan: Plan::AreaCodes,
    digits: (8, 10),
    bare: &["1300", "1800", "1600"],
    emergency: &[
        ("999", Service::General),
        ("112", Service::General),
        ("994", Service::Fire),
    ],
    kinds: &[
        (Kind::National, &["3", "4", "5", "6", "7", "8", "9"]),
        (Kind::Mobile, &["1"]),
        (Kind::TollFree, &["1800"]),
        (Kind::SharedCost, &["1300"]),
        (Kind::Premium, &["1600"]),
    ],
    short: &[(Kind::Service, &["1"])],
    analog: &analog::MY,
};

pub(super) const NZ: Country = Country {
    code: "NZ",
    name: "New Zealand",
    calling_code: "64",
    international_prefixes: &["00"],
    national_prefix: "0",
    plan: Plan::AreaCodes,
    digits: (8, 10),
    bare: &[],
    emergency: &[("111", Service::General)],
    kinds: &[
        (Kind::National, &["3", "4", "6", "7", "9"]),
        (Kind::Mobile, &["2"]),
        (Kind::TollFree, &["800", "508"]),
        (Kind::Premium, &["900", "8"]),
    ],
    short: &[(Kind::Service, &["01", "1"])],
    analog: &analog::NZ,
};

pub(super) const SA: Country = Country {
    code: "SA",
    name: "Saudi Arabia",
    calling_code: "966",
    international_prefixes: &["00"],
    national_prefix: "0",
    plan: Plan::AreaCodes,
    digits: (9, 10),
    bare: &["800", "920", "9200"],
    emergency: &[
        ("911", Service::General),
        ("999", Service::Police),
        ("998", Service::Fire),
        ("997", Service::Ambulance),
        ("994", Service::Marine),
        ("112", Service::General),
    ],
    kinds: &[
        (Kind::National, &["1"]),
        (Kind::Mobile, &["5"]),
        (Kind::TollFree, &["800"]),
        (Kind::SharedCost, &["92"]),
        (Kind::Premium, &["700"]),
    ],
    short: &[(Kind::Service, &["9", "1"])],
    analog: &analog::SA,
};

pub(super) const SG: Country = Country {
    code: "SG",
    name: "Singapore",
    calling_code: "65",
    international_prefixes: &["001", "000", "002", "008", "018", "019"],
    national_prefix: "",
    plan: Plan::Closed,
    digits: (8, 11),
    bare: &[],
    emergency: &[
        ("999", Service::Police),
        ("995", Service::Ambulance),
        ("995", Service::Fire),
        ("112", Service::Police),
    ],
    kinds: &[
        (Kind::National, &["3", "6"]),
        (Kind::Mobile, &["8", "9"]),
        (Kind::TollFree, &["800", "1800"]),
        (Kind::Premium, &["1900"]),
    ],
    short: &[(Kind::Service, &["1"])],
    analog: &analog::SG,
};

pub(super) const TH: Country = Country {
    code: "TH",
    name: "Thailand",
    calling_code: "66",
    international_prefixes: &["001"],
    national_prefix: "0",
    plan: Plan::Closed,
    digits: (8, 9),
    bare: &["1800", "1900"],
    emergency: &[
        ("191", Service::Police),
        ("199", Service::Fire),
        ("1669", Service::Ambulance),
        ("1155", Service::Police),
        ("112", Service::Police),
    ],
    kinds: &[
        (Kind::National, &["2", "3", "4", "5", "7"]),
        (Kind::Mobile, &["6", "8", "9"]),
        (Kind::TollFree, &["1800"]),
        (Kind::Premium, &["1900"]),
    ],
    short: &[(Kind::Service, &["1"])],
    analog: &analog::TH,
};

pub(super) const ZA: Country = Country {
    code: "ZA",
    name: "South Africa",
    calling_code: "27",
    international_prefixes: &["00"],
    national_prefix: "0",
    plan: Plan::Closed,
    digits: (9, 9),
    bare: &[],
    emergency: &[
        ("112", Service::General),
        ("10111", Service::Police),
        ("10177", Service::Ambulance),
    ],
    kinds: &[
        (Kind::National, &["1", "2", "3", "4", "5"]),
        (Kind::Mobile, &["6", "7", "81", "82", "83", "84"]),
        (Kind::TollFree, &["80"]),
        (Kind::SharedCost, &["86", "87"]),
        (Kind::Premium, &["90", "862", "867"]),
    ],
    short: &[(Kind::Service, &["1"])],
    analog: &analog::ZA,
};
