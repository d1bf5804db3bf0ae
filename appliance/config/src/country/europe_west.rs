use super::{Country, Plan, Service, analog};
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
        (Kind::Service, &["1"]),
        (Kind::TollFree, &["116"]),
        (Kind::Premium, &["118"]),
    ],
    analog: &analog::AT,
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
    analog: &analog::BE,
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
    analog: &analog::ETSI,
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
    analog: &analog::DE,
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
    analog: &analog::ES,
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
    analog: &analog::FR,
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
    analog: &analog::GB,
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
    analog: &analog::IE,
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
    analog: &analog::IT,
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
    analog: &analog::DE,
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
    analog: &analog::DTMF_CALLER_ID,
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
    analog: &analog::PT,
};
