use super::{Country, Plan, Service};
use crate::Kind;

pub(super) const AT: Country = Country {
    code: "AT",
    name: "Austria",
    calling_code: "43",
    international_prefixes: &["00"],
    national_prefix: "0",
    plan: Plan::AreaCodes,
    digits: (4, 13),
    bare: &[],
    emergency: &[
        ("112", Service::General),
        ("133", Service::Police),
        ("122", Service::Fire),
        ("144", Service::Ambulance),
        ("140", Service::Mountain),
    ],
    kinds: &[
        (Kind::National, &["1", "2", "3", "4", "5", "6", "7"]),
        (
            Kind::Mobile,
            &[
                "650", "651", "652", "653", "655", "657", "659", "660", "661", "663", "664", "665", "666", "667",
                "668", "669", "67", "68", "69",
            ],
        ),
        (Kind::TollFree, &["800"]),
        (Kind::SharedCost, &["810", "820", "821", "720"]),
        (Kind::Premium, &["9", "828"]),
    ],
    short: &[
        (Kind::Service, &["1", "0"]),
        (Kind::TollFree, &["116"]),
        (Kind::Premium, &["118"]),
    ],
};

pub(super) const BE: Country = Country {
    code: "BE",
    name: "Belgium",
    calling_code: "32",
    international_prefixes: &["00"],
    national_prefix: "0",
    plan: Plan::Closed,
    digits: (8, 9),
    bare: &[],
    emergency: &[
        ("112", Service::General),
        ("101", Service::Police),
        ("100", Service::Ambulance),
    ],
    kinds: &[
        (Kind::National, &["1", "2", "3", "4", "5", "6", "7", "8", "9"]),
        (Kind::Mobile, &["46", "47", "48", "49"]),
        (Kind::TollFree, &["800"]),
        (Kind::SharedCost, &["70", "78"]),
        (Kind::Premium, &["90"]),
    ],
    short: &[
        (Kind::Service, &["1"]),
        (Kind::TollFree, &["116"]),
        (Kind::Premium, &["12", "13", "14"]),
    ],
};

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
};

pub(super) const CH: Country = Country {
    code: "CH",
    name: "Switzerland",
    calling_code: "41",
    international_prefixes: &["00"],
    national_prefix: "0",
    plan: Plan::Closed,
    digits: (9, 9),
    bare: &[],
    emergency: &[
        ("112", Service::General),
        ("117", Service::Police),
        ("118", Service::Fire),
        ("144", Service::Ambulance),
        ("1414", Service::Mountain),
        ("1415", Service::Mountain),
    ],
    kinds: &[
        (Kind::National, &["2", "3", "4", "5", "6", "7", "8", "9"]),
        (Kind::Mobile, &["75", "76", "77", "78", "79"]),
        (Kind::TollFree, &["800"]),
        (Kind::SharedCost, &["84"]),
        (Kind::Premium, &["90", "18"]),
    ],
    short: &[
        (Kind::Service, &["1"]),
        (Kind::TollFree, &["14"]),
        (Kind::Premium, &["18"]),
    ],
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
};

pub(super) const DE: Country = Country {
    code: "DE",
    name: "Germany",
    calling_code: "49",
    international_prefixes: &["00"],
    national_prefix: "0",
    plan: Plan::AreaCodes,
    digits: (4, 13),
    bare: &[],
    emergency: &[("112", Service::General), ("110", Service::Police)],
    kinds: &[
        (Kind::National, &["2", "3", "4", "5", "6", "7", "8", "9"]),
        (Kind::Mobile, &["15", "16", "17"]),
        (Kind::TollFree, &["800"]),
        (Kind::SharedCost, &["180", "700", "137", "138"]),
        (Kind::Premium, &["900", "118"]),
    ],
    short: &[
        (Kind::Service, &["115"]),
        (Kind::TollFree, &["116"]),
        (Kind::Premium, &["118"]),
    ],
};

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
};

pub(super) const ES: Country = Country {
    code: "ES",
    name: "Spain",
    calling_code: "34",
    international_prefixes: &["00"],
    national_prefix: "",
    plan: Plan::Closed,
    digits: (9, 9),
    bare: &[],
    emergency: &[
        ("112", Service::General),
        ("091", Service::Police),
        ("080", Service::Fire),
        ("061", Service::Ambulance),
        ("062", Service::Police),
        ("085", Service::Fire),
        ("092", Service::Police),
        ("088", Service::Police),
    ],
    kinds: &[
        (Kind::National, &["8", "9"]),
        (
            Kind::Mobile,
            &["6", "71", "72", "73", "74", "75", "76", "77", "78", "79"],
        ),
        (Kind::TollFree, &["800", "900"]),
        (Kind::SharedCost, &["901", "902"]),
        (Kind::Premium, &["803", "806", "807", "905", "907", "70", "51"]),
    ],
    short: &[
        (Kind::Service, &["0", "1"]),
        (Kind::TollFree, &["116"]),
        (Kind::Premium, &["118"]),
    ],
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
};

pub(super) const FR: Country = Country {
    code: "FR",
    name: "France",
    calling_code: "33",
    international_prefixes: &["00"],
    national_prefix: "0",
    plan: Plan::Closed,
    digits: (9, 9),
    bare: &[],
    emergency: &[
        ("112", Service::General),
        ("17", Service::Police),
        ("18", Service::Fire),
        ("15", Service::Ambulance),
        ("114", Service::General),
        ("196", Service::Marine),
        ("191", Service::General),
    ],
    kinds: &[
        (Kind::National, &["1", "2", "3", "4", "5", "9"]),
        (Kind::Mobile, &["6", "7"]),
        (Kind::TollFree, &["80"]),
        (Kind::SharedCost, &["81", "82", "86", "87", "88"]),
        (Kind::Premium, &["89", "83"]),
    ],
    short: &[
        (Kind::Service, &["10"]),
        (Kind::TollFree, &["116", "30", "31"]),
        (Kind::Premium, &["118", "32", "33", "34", "35", "36", "37", "38", "39"]),
    ],
};

pub(super) const GB: Country = Country {
    code: "GB",
    name: "United Kingdom",
    calling_code: "44",
    international_prefixes: &["00"],
    national_prefix: "0",
    plan: Plan::AreaCodes,
    digits: (7, 10),
    bare: &[],
    emergency: &[
        ("999", Service::General),
        ("112", Service::General),
        ("18000", Service::General),
    ],
    kinds: &[
        (Kind::National, &["1", "2", "3"]),
        (Kind::Mobile, &["71", "72", "73", "74", "75", "7624", "77", "78", "79"]),
        (Kind::TollFree, &["500", "800", "808"]),
        (Kind::SharedCost, &["84", "87"]),
        (Kind::Premium, &["9", "70", "76", "871", "872", "873", "5"]),
    ],
    short: &[
        (Kind::Service, &["1"]),
        (Kind::TollFree, &["111", "116", "101", "105", "119", "159"]),
        (Kind::Premium, &["118"]),
    ],
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
};

pub(super) const IE: Country = Country {
    code: "IE",
    name: "Ireland",
    calling_code: "353",
    international_prefixes: &["00"],
    national_prefix: "0",
    plan: Plan::AreaCodes,
    digits: (7, 10),
    bare: &["1800", "1850", "1890", "15"],
    emergency: &[("112", Service::General), ("999", Service::General)],
    kinds: &[
        (Kind::National, &["1", "2", "4", "5", "6", "7", "9", "818"]),
        (Kind::Mobile, &["82", "83", "85", "86", "87", "88", "89"]),
        (Kind::TollFree, &["1800"]),
        (Kind::SharedCost, &["1850", "1890"]),
        (Kind::Premium, &["15"]),
    ],
    short: &[
        (Kind::Service, &["1", "50"]),
        (Kind::TollFree, &["116"]),
        (Kind::Premium, &["118"]),
    ],
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
};

pub(super) const IT: Country = Country {
    code: "IT",
    name: "Italy",
    calling_code: "39",
    international_prefixes: &["00"],
    national_prefix: "",
    plan: Plan::Closed,
    digits: (6, 12),
    bare: &[],
    emergency: &[
        ("112", Service::General),
        ("113", Service::Police),
        ("115", Service::Fire),
        ("118", Service::Ambulance),
        ("1530", Service::Marine),
    ],
    kinds: &[
        (Kind::National, &["0", "55"]),
        (Kind::Mobile, &["3"]),
        (Kind::TollFree, &["800", "803"]),
        (Kind::SharedCost, &["840", "841", "847", "848"]),
        (Kind::Premium, &["89", "144", "166", "199", "178"]),
    ],
    short: &[
        (Kind::Service, &["1", "4"]),
        (Kind::TollFree, &["116", "114"]),
        (Kind::Premium, &["12"]),
    ],
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
};

pub(super) const LU: Country = Country {
    code: "LU",
    name: "Luxembourg",
    calling_code: "352",
    international_prefixes: &["00"],
    national_prefix: "",
    plan: Plan::Closed,
    digits: (5, 11),
    bare: &[],
    emergency: &[("112", Service::General), ("113", Service::Police)],
    kinds: &[
        (Kind::National, &["2", "3", "4", "5", "7", "8", "9"]),
        (Kind::Mobile, &["6"]),
        (Kind::TollFree, &["800"]),
        (Kind::SharedCost, &["801"]),
        (Kind::Premium, &["90"]),
    ],
    short: &[
        (Kind::Service, &["12"]),
        (Kind::TollFree, &["116"]),
        (Kind::Premium, &["118"]),
    ],
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
};

pub(super) const NL: Country = Country {
    code: "NL",
    name: "Netherlands",
    calling_code: "31",
    international_prefixes: &["00"],
    national_prefix: "0",
    plan: Plan::AreaCodes,
    digits: (7, 11),
    bare: &[],
    emergency: &[("112", Service::General)],
    kinds: &[
        (Kind::National, &["1", "2", "3", "4", "5", "7", "85", "88", "91"]),
        (Kind::Mobile, &["61", "62", "63", "64", "65", "68"]),
        (Kind::TollFree, &["800"]),
        (Kind::SharedCost, &["84", "87"]),
        (Kind::Premium, &["90", "66", "67", "6"]),
    ],
    short: &[
        (Kind::Service, &["14"]),
        (Kind::TollFree, &["116"]),
        (Kind::Premium, &["18"]),
    ],
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
};

pub(super) const PT: Country = Country {
    code: "PT",
    name: "Portugal",
    calling_code: "351",
    international_prefixes: &["00"],
    national_prefix: "",
    plan: Plan::Closed,
    digits: (9, 9),
    bare: &[],
    emergency: &[("112", Service::General)],
    kinds: &[
        (Kind::National, &["2", "30"]),
        (Kind::Mobile, &["9"]),
        (Kind::TollFree, &["800"]),
        (Kind::SharedCost, &["808", "707", "708"]),
        (Kind::Premium, &["6", "760", "761", "762"]),
    ],
    short: &[
        (Kind::Service, &["1"]),
        (Kind::TollFree, &["116"]),
        (Kind::Premium, &["118"]),
    ],
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
};
