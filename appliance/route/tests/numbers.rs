//! What people dial, country by country, and the number that is meant.

use branchline_config::{Kind, country};
use branchline_route::{Dialled, Home, Number, NumberFault, kind_of, normalise};
use proptest::prelude::*;

use Kind::{International, Local, Mobile, National, Premium, Service, SharedCost, TollFree};

/// Country, area code (or empty), dialled, meant (E.164 or short), kind.
type Case = (&'static str, &'static str, &'static str, &'static str, Kind);

const NORTH_AMERICA: &[Case] = &[
    ("US", "212", "5551234", "+12125551234", Local),
    ("US", "212", "555-1234", "+12125551234", Local),
    ("US", "212", "2125551234", "+12125551234", Local),
    ("US", "212", "12125551234", "+12125551234", Local),
    ("US", "212", "1 (415) 555-0100", "+14155550100", National),
    ("US", "212", "415.555.0100", "+14155550100", National),
    ("US", "212", "+1-415-555-0100", "+14155550100", National),
    ("US", "", "4155550100", "+14155550100", National),
    ("US", "212", "8005550100", "+18005550100", TollFree),
    ("US", "212", "18335550100", "+18335550100", TollFree),
    ("US", "212", "18885550100", "+18885550100", TollFree),
    ("US", "212", "19005550100", "+19005550100", Premium),
    ("US", "212", "12129765555", "+12129765555", Premium),
    ("US", "212", "7005550100", "+17005550100", Premium),
    ("US", "212", "12425550100", "+12425550100", International),
    ("US", "212", "12465550100", "+12465550100", International),
    ("US", "212", "12645550100", "+12645550100", International),
    ("US", "212", "12685550100", "+12685550100", International),
    ("US", "212", "12845550100", "+12845550100", International),
    ("US", "212", "13455550100", "+13455550100", International),
    ("US", "212", "14415550100", "+14415550100", International),
    ("US", "212", "14735550100", "+14735550100", International),
    ("US", "212", "16495550100", "+16495550100", International),
    ("US", "212", "16585550100", "+16585550100", International),
    ("US", "212", "16645550100", "+16645550100", International),
    ("US", "212", "17215550100", "+17215550100", International),
    ("US", "212", "17585550100", "+17585550100", International),
    ("US", "212", "17675550100", "+17675550100", International),
    ("US", "212", "17845550100", "+17845550100", International),
    ("US", "212", "18095550100", "+18095550100", International),
    ("US", "212", "18295550100", "+18295550100", International),
    ("US", "212", "18495550100", "+18495550100", International),
    ("US", "212", "18685550100", "+18685550100", International),
    ("US", "212", "18695550100", "+18695550100", International),
    ("US", "212", "8765550100", "+18765550100", International),
    ("US", "212", "7875550100", "+17875550100", National),
    ("US", "212", "411", "411", Service),
    ("US", "212", "311", "311", Service),
    ("US", "212", "988", "988", TollFree),
    ("US", "212", "011442079460000", "+442079460000", International),
    ("US", "212", "011 49 30 123456#", "+4930123456", International),
    ("US", "212", "011447000123456", "+447000123456", Premium),
    ("US", "212", "01188165550100", "+88165550100", Premium),
    ("US", "212", "+882165550100", "+882165550100", Premium),
    ("US", "212", "+97900000000", "+97900000000", Premium),
    ("US", "212", "tel:+1-415-555-0100", "+14155550100", National),
    ("US", "212", "tel:5551234;phone-context=+1", "+12125551234", Local),
    (
        "US",
        "212",
        "tel:1234;phone-context=+1-415-555",
        "+14155551234",
        National,
    ),
    (
        "US",
        "212",
        "tel:02079460000;phone-context=+44",
        "+442079460000",
        International,
    ),
    ("US", "212", "tel:4155550100;ext=22", "+14155550100", National),
    (
        "US",
        "212",
        "4155550100;phone-context=example.net",
        "+14155550100",
        National,
    ),
    (
        "US",
        "212",
        "sip:+14155550100@203.0.113.5;user=phone",
        "+14155550100",
        National,
    ),
    (
        "US",
        "212",
        "sip:4155550100;npdi@example.net:5060",
        "+14155550100",
        National,
    ),
    ("US", "212", "SIPS:%2B14155550100@example.net", "+14155550100", National),
    ("US", "212", "%2b14155550100", "+14155550100", National),
    ("US", "212", "4155550100%23", "+14155550100", National),
    ("US", "212", "\u{a0}415\u{a0}555 0100 ", "+14155550100", National),
    ("CA", "416", "5551234", "+14165551234", Local),
    ("CA", "416", "16045550100", "+16045550100", National),
    ("CA", "416", "18765550100", "+18765550100", International),
    ("MX", "", "5512345678", "+525512345678", National),
    ("MX", "", "8001234567", "+528001234567", TollFree),
    ("MX", "", "0015551230100", "+15551230100", International),
    ("BR", "11", "34567890", "+551134567890", Local),
    ("BR", "11", "02134567890", "+552134567890", National),
    ("BR", "11", "11912345678", "+5511912345678", Local),
    ("BR", "11", "08001234567", "+558001234567", TollFree),
    ("BR", "11", "05001234567", "+555001234567", Premium),
    ("AR", "11", "45678901", "+541145678901", Local),
    ("CL", "", "912345678", "+56912345678", Mobile),
    ("CL", "", "7001234567", "+567001234567", Premium),
];

const EUROPE: &[Case] = &[
    ("GB", "20", "79460000", "+442079460000", Local),
    ("GB", "20", "02079460000", "+442079460000", Local),
    ("GB", "20", "+44 (0)20 7946 0000", "+442079460000", Local),
    ("GB", "20", "0161 496 0000", "+441614960000", National),
    ("GB", "20", "03069990000", "+443069990000", National),
    ("GB", "20", "07700900000", "+447700900000", Mobile),
    ("GB", "20", "07624000000", "+447624000000", Mobile),
    ("GB", "20", "07000000000", "+447000000000", Premium),
    ("GB", "20", "07600000000", "+447600000000", Premium),
    ("GB", "20", "08081570000", "+448081570000", TollFree),
    ("GB", "20", "08001111111", "+448001111111", TollFree),
    ("GB", "20", "08451234567", "+448451234567", SharedCost),
    ("GB", "20", "08701234567", "+448701234567", SharedCost),
    ("GB", "20", "08711234567", "+448711234567", Premium),
    ("GB", "20", "09098790000", "+449098790000", Premium),
    ("GB", "20", "118500", "118500", Premium),
    ("GB", "20", "111", "111", TollFree),
    ("GB", "20", "0015551230100", "+15551230100", International),
    ("GB", "20", "0018765550100", "+18765550100", International),
    ("GB", "20", "0019005550100", "+19005550100", Premium),
    ("GB", "20", "00353 1 234 5678", "+35312345678", International),
    ("IE", "1", "2345678", "+35312345678", Local),
    ("IE", "1", "0871234567", "+353871234567", Mobile),
    ("IE", "1", "1800123456", "+3531800123456", TollFree),
    ("IE", "1", "1550123456", "+3531550123456", Premium),
    ("DE", "30", "123456", "+4930123456", Local),
    ("DE", "30", "030/123456", "+4930123456", Local),
    ("DE", "30", "+49 (0)30 123456", "+4930123456", Local),
    ("DE", "30", "08912345678", "+498912345678", National),
    ("DE", "30", "015112345678", "+4915112345678", Mobile),
    ("DE", "30", "017612345678", "+4917612345678", Mobile),
    ("DE", "30", "08001234567", "+498001234567", TollFree),
    ("DE", "30", "01805123456", "+491805123456", SharedCost),
    ("DE", "30", "09001234567", "+499001234567", Premium),
    ("DE", "30", "01912345678", "+491912345678", Premium),
    ("DE", "30", "115", "115", Service),
    ("DE", "30", "116117", "116117", TollFree),
    ("DE", "30", "11833", "11833", Premium),
    ("DE", "", "0043 1 234567", "+431234567", International),
    ("FR", "", "0123456789", "+33123456789", National),
    ("FR", "", "0612345678", "+33612345678", Mobile),
    ("FR", "", "0800123456", "+33800123456", TollFree),
    ("FR", "", "0899123456", "+33899123456", Premium),
    ("FR", "", "0825123456", "+33825123456", SharedCost),
    ("FR", "", "3611", "3611", Premium),
    ("FR", "", "3000", "3000", TollFree),
    ("ES", "", "912345678", "+34912345678", National),
    ("ES", "", "612345678", "+34612345678", Mobile),
    ("ES", "", "900123456", "+34900123456", TollFree),
    ("ES", "", "806123456", "+34806123456", Premium),
    ("IT", "", "0612345678", "+390612345678", National),
    ("IT", "", "3331234567", "+393331234567", Mobile),
    ("IT", "", "800123456", "+39800123456", TollFree),
    ("IT", "", "899123456", "+39899123456", Premium),
    ("IT", "", "+39 06 1234 5678", "+390612345678", National),
    ("NL", "20", "1234567", "+31201234567", Local),
    ("NL", "20", "0101234567", "+31101234567", National),
    ("NL", "20", "0612345678", "+31612345678", Mobile),
    ("NL", "20", "09001234", "+319001234", Premium),
    ("BE", "", "021234567", "+3221234567", National),
    ("BE", "", "0471234567", "+32471234567", Mobile),
    ("BE", "", "090012345", "+3290012345", Premium),
    ("CH", "", "0441234567", "+41441234567", National),
    ("CH", "", "0791234567", "+41791234567", Mobile),
    ("CH", "", "0901123456", "+41901123456", Premium),
    ("AT", "1", "234567", "+431234567", Local),
    ("AT", "1", "06641234567", "+436641234567", Mobile),
    ("AT", "1", "0900123456", "+43900123456", Premium),
    ("SE", "8", "123456", "+468123456", Local),
    ("SE", "8", "0701234567", "+46701234567", Mobile),
    ("SE", "8", "020123456", "+4620123456", TollFree),
    ("SE", "8", "09001234567", "+469001234567", Premium),
    ("NO", "", "22123456", "+4722123456", National),
    ("NO", "", "91234567", "+4791234567", Mobile),
    ("NO", "", "82012345", "+4782012345", Premium),
    ("DK", "", "33123456", "+4533123456", National),
    ("DK", "", "90123456", "+4590123456", Premium),
    ("FI", "9", "1234567", "+35891234567", Local),
    ("FI", "9", "0401234567", "+358401234567", Mobile),
    ("PT", "", "211234567", "+351211234567", National),
    ("PT", "", "912345678", "+351912345678", Mobile),
    ("PL", "", "221234567", "+48221234567", National),
    ("PL", "", "501234567", "+48501234567", Mobile),
    ("PL", "", "701234567", "+48701234567", Premium),
    ("CZ", "", "221234567", "+420221234567", National),
    ("CZ", "", "601234567", "+420601234567", Mobile),
    ("CZ", "", "900123456", "+420900123456", Premium),
    ("HU", "1", "2345678", "+3612345678", Local),
    ("HU", "1", "06201234567", "+36201234567", Mobile),
    ("GR", "", "2101234567", "+302101234567", National),
    ("TR", "212", "1234567", "+902121234567", Local),
];

const ELSEWHERE: &[Case] = &[
    ("AU", "2", "91234567", "+61291234567", Local),
    ("AU", "2", "0391234567", "+61391234567", National),
    ("AU", "2", "0412345678", "+61412345678", Mobile),
    ("AU", "2", "1800123456", "+611800123456", TollFree),
    ("AU", "2", "1300123456", "+611300123456", SharedCost),
    ("AU", "2", "131234", "+61131234", SharedCost),
    ("AU", "2", "1900123456", "+611900123456", Premium),
    ("AU", "2", "0011442079460000", "+442079460000", International),
    ("NZ", "9", "3456789", "+6493456789", Local),
    ("NZ", "9", "0211234567", "+64211234567", Mobile),
    ("NZ", "9", "0900123456", "+64900123456", Premium),
    ("JP", "3", "12345678", "+81312345678", Local),
    ("JP", "3", "09012345678", "+819012345678", Mobile),
    ("JP", "3", "0120123456", "+81120123456", TollFree),
    ("JP", "3", "0990123456", "+81990123456", Premium),
    ("JP", "3", "0101 555 123 0100", "+15551230100", International),
    ("IN", "22", "22223333", "+912222223333", Local),
    ("IN", "22", "9812345678", "+919812345678", Mobile),
    ("IN", "22", "09812345678", "+919812345678", Mobile),
    ("IN", "22", "18001234567", "+9118001234567", TollFree),
    ("ZA", "", "0111234567", "+27111234567", National),
    ("ZA", "", "0821234567", "+27821234567", Mobile),
    ("ZA", "", "0862123456", "+27862123456", Premium),
    ("SG", "", "61234567", "+6561234567", National),
    ("SG", "", "91234567", "+6591234567", Mobile),
    ("SG", "", "19001234567", "+6519001234567", Premium),
    ("SG", "", "001442079460000", "+442079460000", International),
    ("AE", "4", "3456789", "+97143456789", Local),
    ("AE", "4", "0501234567", "+971501234567", Mobile),
    ("AE", "4", "8001234", "+9718001234", TollFree),
    ("IL", "3", "1234567", "+97231234567", Local),
    ("IL", "3", "0501234567", "+972501234567", Mobile),
    ("IL", "3", "1800123456", "+9721800123456", TollFree),
    ("IL", "3", "012442079460000", "+442079460000", International),
    ("HK", "", "21234567", "+85221234567", National),
    ("KR", "2", "1234567", "+8221234567", Local),
    ("KR", "2", "01012345678", "+821012345678", Mobile),
    ("TH", "", "021234567", "+6621234567", National),
];

/// Country, area code (or empty), dialled, fault.
const FAULTS: &[(&str, &str, &str, NumberFault)] = &[
    ("US", "", "5551234", NumberFault::NoAreaCode),
    ("US", "212", "555123", NumberFault::TooShort),
    ("US", "212", "1212555", NumberFault::TooShort),
    ("US", "212", "121255512345", NumberFault::TooLong),
    ("US", "212", "41555501000", NumberFault::TooLong),
    ("US", "212", "0115", NumberFault::TooShort),
    ("US", "212", "0110442079460000", NumberFault::NotANumber),
    ("US", "212", "10125551234", NumberFault::NotANumber),
    ("US", "212", "+1415555010", NumberFault::TooShort),
    ("US", "212", "+141555501001", NumberFault::TooLong),
    ("US", "212", "+0415555010", NumberFault::NotANumber),
    ("US", "212", "+1234567890123456", NumberFault::TooLong),
    ("US", "212", "*98", NumberFault::NotANumber),
    ("US", "212", "*21*201#", NumberFault::NotANumber),
    ("US", "212", "+*98", NumberFault::NotANumber),
    ("US", "212", "5", NumberFault::TooShort),
    ("GB", "", "79460000", NumberFault::NoAreaCode),
    ("GB", "20", "020", NumberFault::TooShort),
    ("FR", "", "123456789", NumberFault::NotANumber),
    ("FR", "", "01234567", NumberFault::TooShort),
    ("DK", "", "2212", NumberFault::TooShort),
    ("ES", "", "9123456789", NumberFault::TooLong),
];

const NOT_NUMBERS: &[&str] = &[
    "",
    "+",
    "alice",
    "++1",
    "1+2",
    "%",
    "%4",
    "%zz",
    "%ff",
    "tel:",
    "sip:@host",
    "٢٠١",
    "12a",
    "+ ",
    "1\u{0}",
    "1\u{200b}2",
];

fn read(country: &str, area: &'static str, dialled: &str) -> Result<(String, Kind), NumberFault> {
    let country = country::by_code(country).expect("a country of the table");
    let home = Home {
        country,
        area_code: Some(area).filter(|area| !area.is_empty()),
    };
    let dialled = Dialled::new(dialled).ok_or(NumberFault::NotANumber)?;
    let number = normalise(&dialled, home)?;
    Ok((number.as_str().to_owned(), kind_of(&number, home)))
}

#[test]
fn what_is_dialled_becomes_the_number_that_is_meant() {
    let cases = [NORTH_AMERICA, EUROPE, ELSEWHERE].concat();
    assert!(cases.len() >= 150, "{}", cases.len());
    for (country, area, dialled, meant, kind) in cases {
        assert_eq!(
            read(country, area, dialled),
            Ok((meant.to_owned(), kind)),
            "{country} {area} {dialled}"
        );
    }
}

#[test]
fn what_is_no_number_says_why() {
    for (country, area, dialled, fault) in FAULTS {
        assert_eq!(read(country, area, dialled), Err(*fault), "{country} {area} {dialled}");
    }
    for text in NOT_NUMBERS {
        assert_eq!(Dialled::new(text), None, "{text:?}");
    }
    assert_eq!(Dialled::new(&"1".repeat(41)), None);
}

proptest! {
    #[test]
    fn normalisation_never_panics_and_never_makes_a_bad_number(text in "\\PC{0,40}", at in 0..country::ALL.len()) {
        check(&text, at);
    }

    #[test]
    fn digit_strings_never_panic_and_never_make_a_bad_number(
        text in "(tel:|sip:)?[+]?[0-9*#() %.-]{0,20}(;phone-context=[+]?[0-9]{0,5})?(@h)?", at in 0..country::ALL.len()
    ) {
        check(&text, at);
    }

    #[test]
    fn an_international_number_stays_what_it_is(digits in "[1-9][0-9]{6,13}", at in 0..country::ALL.len()) {
        let home = Home { country: country::ALL[at], area_code: None };
        let dialled = Dialled::new(&format!("+{digits}")).expect("digits");
        if let Ok(number) = normalise(&dialled, home) {
            prop_assert_eq!(number.as_str(), format!("+{digits}"));
        }
    }
}

fn check(text: &str, at: usize) {
    let home = Home {
        country: country::ALL[at],
        area_code: Some("20"),
    };
    let Some(dialled) = Dialled::new(text) else { return };
    let Ok(number) = normalise(&dialled, home) else { return };
    let _ = kind_of(&number, home);
    match number {
        Number::E164(number) => {
            assert!((5..=15).contains(&number.digits().len()) && !number.digits().starts_with('0'));
            assert!(number.digits().bytes().all(|b| b.is_ascii_digit()));
        }
        Number::Short(digits) => assert!((1..=6).contains(&digits.len())),
    }
}

#[test]
fn a_number_dialled_digit_by_digit_is_whole_when_nothing_longer_begins_like_it() {
    use branchline_route::{Dialling, dialling};
    let text = "[site]\ncountry = \"US\"\noutside_prefix = \"9\"\n".to_owned();
    let extension = |number: &str| {
        format!(
            "[[extension]]\nnumber = \"{number}\"\nha1_md5 = \"{}\"\n",
            "0".repeat(32)
        )
    };
    let text = text + &extension("201") + &extension("20") + &extension("202") + &extension("901");
    let tables = branchline_route::Tables::new(&branchline_config::Config::parse("f", &text).unwrap());
    let whole = ["201", "202", "911", "9911", "112", "0123#"];
    let open = [
        "",
        "2",
        "20",
        "203",
        "9",
        "901",
        "91",
        "12125550100",
        "*21",
        "*21#",
        "#",
    ];
    for (all, expected) in [
        (whole.as_slice(), Dialling::Complete),
        (open.as_slice(), Dialling::Open),
    ] {
        for digits in all {
            assert_eq!(dialling(digits, &tables), expected, "{digits}");
        }
    }
}
