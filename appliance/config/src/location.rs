use std::net::IpAddr;

use crate::Network;
use crate::fault::Wrong;
use crate::read::Reader;
use crate::text::{FromText, Name};

/// `[[location]]`: a place that help can be sent to, and who is there.
#[derive(Clone, Debug, PartialEq)]
pub struct Location {
    /// How extensions and `[emergency] location` call it.
    pub id: String,
    /// The address; at least one field.
    pub civic: Civic,
    /// Where on the globe. Default none.
    pub point: Option<Point>,
    /// For those who come: a door code, where to park. Default none.
    pub notes: Option<String>,
    /// Numbers that stand for this place towards trunks that carry only numbers (E.164). Default none.
    pub elins: Vec<String>,
    /// Phones that call from these networks are here. Default none.
    pub subnets: Vec<Network>,
    /// Phones that call this address of the box are here: one per network interface. Default none.
    pub interfaces: Vec<IpAddr>,
    /// Phones behind these LAN ports of the box are here, by the name of the interface or of the bridge's port. Default none.
    pub ports: Vec<String>,
    /// Extensions of these zones are here. Default none.
    pub zones: Vec<String>,
}

/// `[location.civic]`: a civic address, each field under its name in RFC 5139.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Civic {
    /// In the order of the schema, only those that are written.
    pub fields: Vec<(CivicField, String)>,
}

/// Name of a field in RFC 5139 section 4.
pub type CivicField = &'static str;

/// Latitude and longitude in degrees (WGS 84), as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// -90 to 90, north is positive.
    pub latitude: String,
    /// -180 to 180, east is positive.
    pub longitude: String,
}

/// Fields of a civic address in the order of the schema (RFC 5139 section 4).
const FIELDS: [CivicField; 31] = [
    "country", "A1", "A2", "A3", "A4", "A5", "A6", "PRM", "PRD", "RD", "STS", "POD", "POM", "RDSEC", "RDBR", "RDSUBBR",
    "HNO", "HNS", "LMK", "LOC", "FLR", "NAM", "PC", "BLD", "UNIT", "ROOM", "SEAT", "PLC", "PCN", "POBOX", "ADDCODE",
];

impl Location {
    pub(crate) fn read(mut table: Reader<'_>) -> Option<Location> {
        let id = table.required::<Name>("id", "floor-2");
        let names = |list: Vec<Name>| list.into_iter().map(|name| name.0).collect();
        let location = Location {
            id: id.as_ref().map_or_else(String::new, |id| id.0.clone()),
            civic: Civic::read(table.table("civic")),
            point: table.optional("point"),
            notes: table.optional("notes"),
            elins: table
                .list::<Elin>("elins")
                .unwrap_or_default()
                .into_iter()
                .map(|elin| elin.0)
                .collect(),
            subnets: table.list("subnets").unwrap_or_default(),
            interfaces: table.list("interfaces").unwrap_or_default(),
            ports: table.list("ports").map(names).unwrap_or_default(),
            zones: table.list("zones").map(names).unwrap_or_default(),
        };
        if location.civic.fields.is_empty() && location.point.is_none() {
            let fix = "add civic = { A1 = \"NY\", A3 = \"New York\", RD = \"Broadway\", HNO = \"120\", FLR = \"2\" }";
            table.wrong("civic", Wrong::new("is missing, and so is point", fix));
        }
        table.finish();
        id.map(|_| location)
    }
}

impl Civic {
    fn read(mut table: Reader<'_>) -> Civic {
        let mut fields = Vec::new();
        for field in FIELDS {
            fields.extend(table.optional::<String>(field).map(|value| (field, value)));
        }
        table.finish();
        Civic { fields }
    }

    /// The value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(field, _)| *field == name)
            .map(|(_, value)| value.as_str())
    }
}

struct Elin(String);

impl FromText for Elin {
    fn from_text(text: &str) -> Result<Elin, Wrong> {
        let digits = text.strip_prefix('+').unwrap_or_default();
        let is_good =
            (8..=15).contains(&digits.len()) && !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit());
        if !is_good {
            let problem = format!("\"{text}\" is not a number in E.164");
            return Err(Wrong::new(
                problem,
                "write + and 8 to 15 digits, such as \"+12125550100\"",
            ));
        }
        Ok(Elin(text.to_owned()))
    }
}

impl FromText for Point {
    fn from_text(text: &str) -> Result<Point, Wrong> {
        let wrong = || {
            let problem = format!("\"{text}\" is not a latitude and a longitude");
            Wrong::new(problem, "write degrees, such as \"40.7128 -74.0060\"")
        };
        let mut parts = text.split([' ', ',']).filter(|part| !part.is_empty());
        let mut degrees = |most: f64| {
            let part = parts.next()?;
            let plain = part.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-'));
            let value: f64 = part.parse().ok()?;
            (plain && value.abs() <= most).then(|| part.to_owned())
        };
        let point = degrees(90.0).zip(degrees(180.0));
        match (point, parts.next()) {
            (Some((latitude, longitude)), None) => Ok(Point { latitude, longitude }),
            (Some(_) | None, _) => Err(wrong()),
        }
    }
}
