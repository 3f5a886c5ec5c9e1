//! Which vendor's push service an Android phone has.
use push_core::Channel;

/// The maker of an Android phone, as far as it runs a push service of its own.
///
/// Phones of the Chinese makers keep a process of their maker alive, and no process of an app. An app therefore asks the maker's
/// push service for a token where there is one, and Google's elsewhere (S126).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AndroidMaker {
    /// Xiaomi, with Redmi and POCO.
    Xiaomi,
    /// Huawei, and phones of Honor from before the companies separated.
    Huawei,
    /// Meizu.
    Meizu,
    /// OPPO, realme and OnePlus.
    Oppo,
    /// vivo and iQOO.
    Vivo,
    /// Honor.
    Honor,
    /// Any other maker.
    Other,
}

/// A brand that Meizu's system reports on some phones.
const MEIZU_BRAND: &str = "22c4185e";

impl AndroidMaker {
    /// Every maker.
    pub const ALL: [Self; 7] = [
        Self::Xiaomi,
        Self::Huawei,
        Self::Other,
        Self::Meizu,
        Self::Oppo,
        Self::Vivo,
        Self::Honor,
    ];

    /// The maker of a phone with this `Build.BRAND` and `Build.MANUFACTURER`, in any case and with blanks around them.
    pub fn of(brand: &str, manufacturer: &str) -> Self {
        let (brand, manufacturer) = (brand.trim(), manufacturer.trim());
        let is_brand = |name: &str| brand.eq_ignore_ascii_case(name);
        let is_manufacturer = |name: &str| manufacturer.eq_ignore_ascii_case(name);
        let is = |name: &str| is_brand(name) || is_manufacturer(name);
        // The order decides: an older Honor phone has the brand Honor and the manufacturer Huawei.
        if is("xiaomi") {
            Self::Xiaomi
        } else if is_brand("honor") && is_manufacturer("honor") {
            Self::Honor
        } else if is("huawei") || is_brand("honor") {
            Self::Huawei
        } else if is("meizu") || is_brand(MEIZU_BRAND) {
            Self::Meizu
        } else if is("oppo") || is("realme") || is("oneplus") {
            Self::Oppo
        } else if is("vivo") {
            Self::Vivo
        } else {
            Self::Other
        }
    }

    /// The channel of its push service. Phones of other makers have Google's if Play services are there and usable; else no
    /// channel reaches them, and neither does one where a maker's own SDK gives no token.
    pub const fn channel(self, has_play_services: bool) -> Option<Channel> {
        Some(match self {
            Self::Xiaomi => Channel::XIAOMI,
            Self::Huawei => Channel::HUAWEI,
            Self::Meizu => Channel::MEIZU,
            Self::Oppo => Channel::OPPO,
            Self::Vivo => Channel::VIVO,
            Self::Honor => Channel::HONOR,
            Self::Other if has_play_services => Channel::FCM,
            Self::Other => return None,
        })
    }

    /// TUIOfflinePush's number of the brand, 2000 to 2006.
    pub const fn number(self) -> u16 {
        match self {
            Self::Xiaomi => 2000,
            Self::Huawei => 2001,
            Self::Other => 2002,
            Self::Meizu => 2003,
            Self::Oppo => 2004,
            Self::Vivo => 2005,
            Self::Honor => 2006,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // S126
    #[test]
    fn the_maker_decides_the_channel() {
        for (brand, manufacturer, number, channel) in [
            ("Xiaomi", "Xiaomi", 2000, Some(Channel::XIAOMI)),
            ("Redmi", "Xiaomi", 2000, Some(Channel::XIAOMI)),
            ("xiaomi", "unknown", 2000, Some(Channel::XIAOMI)),
            ("HONOR", "HONOR", 2006, Some(Channel::HONOR)),
            ("HONOR", "HUAWEI", 2001, Some(Channel::HUAWEI)),
            ("honor", "", 2001, Some(Channel::HUAWEI)),
            ("NOVA", "HONOR", 2002, None),
            ("HUAWEI", "HUAWEI", 2001, Some(Channel::HUAWEI)),
            ("Meizu", "Meizu", 2003, Some(Channel::MEIZU)),
            ("22c4185e", "alps", 2003, Some(Channel::MEIZU)),
            ("alps", "22c4185e", 2002, None),
            ("OPPO", "OPPO", 2004, Some(Channel::OPPO)),
            ("realme", "realme", 2004, Some(Channel::OPPO)),
            ("OnePlus", "OnePlus", 2004, Some(Channel::OPPO)),
            ("vivo", "vivo", 2005, Some(Channel::VIVO)),
            ("iQOO", "vivo", 2005, Some(Channel::VIVO)),
            (" google ", "Google", 2002, None),
            ("", "", 2002, None),
        ] {
            let maker = AndroidMaker::of(brand, manufacturer);
            assert_eq!(maker.number(), number, "{brand} of {manufacturer}");
            assert_eq!(maker.channel(false), channel, "{brand} of {manufacturer}");
            let with_play = channel.unwrap_or(Channel::FCM);
            assert_eq!(
                maker.channel(true),
                Some(with_play),
                "{brand} of {manufacturer}"
            );
        }
    }

    #[test]
    fn the_numbers_are_those_of_tuiofflinepush_in_order() {
        let numbers = AndroidMaker::ALL.map(AndroidMaker::number);
        assert_eq!(numbers, [2000, 2001, 2002, 2003, 2004, 2005, 2006]);
    }
}
