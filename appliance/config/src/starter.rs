use crate::secret::to_hex;
use crate::{Country, Extension, Hashes};

/// What the first start knows.
#[derive(Clone, Debug)]
pub struct Starter {
    /// Shown on the page.
    pub site_name: String,
    /// Decides dialling and emergency numbers.
    pub country: &'static Country,
    /// Digest realm the hashes were made with.
    pub realm: String,
    /// Written in order.
    pub extensions: Vec<StarterExtension>,
}

/// One extension of the starter file.
#[derive(Clone, Debug)]
pub struct StarterExtension {
    /// Its number.
    pub number: Extension,
    /// Shown to called parties.
    pub name: String,
    /// Of the password just made.
    pub hashes: Hashes,
}

/// A commented `branchline.toml`; it parses as it is.
pub fn default_text(starter: &Starter) -> String {
    let mut text = head(starter);
    for extension in &starter.extensions {
        text.push_str("\n[[extension]]\n");
        text.push_str(&format!(
            "number = \"{}\"\nname = {}\n",
            extension.number,
            quoted(&extension.name)
        ));
        if let Some(hash) = &extension.hashes.md5 {
            text.push_str(&format!("ha1_md5 = \"{}\"\n", to_hex(hash)));
        }
        if let Some(hash) = &extension.hashes.sha256 {
            text.push_str(&format!("ha1_sha256 = \"{}\"\n", to_hex(hash)));
        }
    }
    text
}

fn quoted(text: &str) -> String {
    toml_edit::Value::from(text).to_string()
}

fn head(starter: &Starter) -> String {
    let (site_name, realm) = (quoted(&starter.site_name), quoted(&starter.realm));
    let (country, country_name) = (starter.country.code, starter.country.name);
    let emergency = starter.country.general_number();
    format!(
        r##"# Branchline. After an edit: `branchline check`, then `branchline reload`; calls go on. Some keys wait for a restart
# (where it listens, the realm, media ports, the log): the reload names them.
# Unknown keys and bad values are refused with their line and a fix.

[site]
name = {site_name}
country = "{country}"        # {country_name}: decides how numbers are dialled and which are emergencies ({emergency})
# area_code = "…"       # lets people dial local numbers
# outside_prefix = "9"  # when people dial a digit for an outside line; emergencies work with and without it
realm = {realm}  # part of every password hash: after a change all phones need new passwords

[sip]
# listen = ["udp:0.0.0.0:5060", "tcp:0.0.0.0:5060", "tls:0.0.0.0:5061"]

[page]
listen = "127.0.0.1:8080"
# reach = "lan"         # show the page to the local network too

[emergency]
# callback = "+15551230100"  # for phones without a number of their own: the number emergency operators call back
# location = "office"        # where phones are, see [[location]]; check with: branchline emergency check
# notify = ["201"]           # phones that show each emergency call

# Where help is sent to (names of RFC 5139): for trunks with location = "pidf" or "elin".
# [[location]]
# id = "office"
# civic = {{ A1 = "NY", A3 = "New York", RD = "Broadway", HNO = "120", FLR = "2", PC = "10001" }}
# subnets = ["192.0.2.0/24"]

# A line to the outside; without one only extensions can be called.
# [[trunk]]
# name = "provider"
# host = "sip.example.net"
# username = "…"
# password_file = "/etc/branchline/provider.password"
# inbound = [{{ number = "+15551230100", to = "201" }}]

# What extensions may dial; "default" applies where none is named.
# [[class]]
# name = "default"
# allow = ["internal", "local", "national", "mobile", "toll_free", "shared_cost", "service"]
# deny = ["+1900*"]

# Telephones. `branchline extension add 203` adds one and shows its password once.
"##
    )
}
