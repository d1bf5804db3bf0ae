use super::{Country, Plan, Service, analog};
use crate::Kind;

/// Members of the North American plan that are dialled like home and billed like abroad: the Caribbean and Bermuda.
const OVERSEAS: &[&str] = &[
    "242", "246", "264", "268", "284", "345", "441", "473", "649", "658", "664", "721", "758", "767", "784", "809",
    "829", "849", "868", "869", "876",
];

const NORTH_AMERICAN_KINDS: &[(Kind, &[&str])] = &[
    (
        Kind::TollFree,
        &[
            "800", "822", "833", "844", "855", "866", "877", "880", "881", "882", "888",
        ],
    ),
    (Kind::Premium, &["900", "700", "710"]),
    (Kind::International, OVERSEAS),
    (Kind::National, &["2", "3", "4", "5", "6", "7", "8", "9"]),
];

// 988 is the crisis line: free and reachable from every class that can call anything outside.
const NORTH_AMERICAN_SHORT: &[(Kind, &[&str])] = &[
    (Kind::Service, &["211", "311", "411", "511", "611", "711", "811"]),
    (Kind::TollFree, &["988"]),
];

pub(super) const US: Country = Country {
    code: "US",
    name: "United States",
    calling_code: "1",
    international_prefixes: &["011"],
    national_prefix: "1",
    plan: Plan::NorthAmerican,
    digits: (10, 10),
    bare: &[],
    emergency: &[("911", Service::General)],
    kinds: NORTH_AMERICAN_KINDS,
    short: NORTH_AMERICAN_SHORT,
    analog: &analog::NORTH_AMERICA,
};

pub(super) const CA: Country = Country {
    code: "CA",
    name: "Canada",
    ..US
};

pub(super) const AR: Country = Country {
    code: "AR",
    name: "Argentina",
    calling_code: "54",
    international_prefixes: &["00"],
    national_prefix: "0",
    plan: Plan::AreaCodes,
    digits: (10, 11),
    bare: &[],
    emergency: &[
        ("911", Service::General),
        ("101", Service::Police),
        ("100", Service::Fire),
        ("107", Service::Ambulance),
        ("106", Service::Marine),
    ],
    kinds: &[
        (Kind::National, &["1", "2", "3"]),
        (Kind::Mobile, &["9"]),
        (Kind::TollFree, &["800"]),
        (Kind::SharedCost, &["810"]),
    ],
    short: &[(Kind::Service, &["1"])],
    analog: &analog::AR,
};

pub(super) const BR: Country = Country {
    code: "BR",
    name: "Brazil",
    calling_code: "55",
    international_prefixes: &["00"],
    national_prefix: "0",
    plan: Plan::AreaCodes,
    digits: (10, 11),
    bare: &["1", "2", "3", "4", "5", "6", "7", "8", "9"],
    emergency: &[
        ("190", Service::Police),
        ("193", Service::Fire),
        ("192", Service::Ambulance),
        ("185", Service::Marine),
        ("191", Service::Police),
        ("199", Service::General),
        ("911", Service::Police),
    ],
    kinds: &[
        (Kind::National, &["1", "2", "3", "4", "5", "6", "7", "8", "9"]),
        (Kind::TollFree, &["800"]),
        (Kind::SharedCost, &["300"]),
        (Kind::Premium, &["500", "900"]),
    ],
    short: &[(Kind::Service, &["1"])],
    analog: &analog::BR,
};

pub(super) const CL: Country = Country {
    code: "CL",
    name: "Chile",
    calling_code: "56",
    international_prefixes: &["00"],
    national_prefix: "",
    plan: Plan::Closed,
    digits: (9, 10),
    bare: &[],
    emergency: &[
        ("133", Service::Police),
        ("132", Service::Fire),
        ("131", Service::Ambulance),
        ("134", Service::Police),
        ("137", Service::Marine),
    ],
    kinds: &[
        (Kind::National, &["2", "3", "4", "5", "6", "7"]),
        (Kind::Mobile, &["9"]),
        (Kind::TollFree, &["800"]),
        (Kind::Premium, &["700"]),
        (Kind::SharedCost, &["600"]),
    ],
    short: &[(Kind::Service, &["1"])],
    analog: &analog::CL,
};

pub(super) const MX: Country = Country {
    code: "MX",
    name: "Mexico",
    calling_code: "52",
    international_prefixes: &["00"],
    national_prefix: "",
    plan: Plan::Closed,
    digits: (10, 10),
    bare: &[],
    emergency: &[("911", Service::General)],
    kinds: &[
        (Kind::National, &["2", "3", "4", "5", "6", "7", "8", "9"]),
        (Kind::TollFree, &["800"]),
        (Kind::Premium, &["900"]),
    ],
    short: &[(Kind::Service, &["0"])],
    analog: &analog::MX,
};
