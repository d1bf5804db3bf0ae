//! Direction of a stream, as its describer sees it (RFC 3264 section 5.1).

/// What the describer of a stream does with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direction {
    /// Sends and receives; the default.
    #[default]
    SendRecv,
    /// Only sends: the other side is on hold.
    SendOnly,
    /// Only receives.
    RecvOnly,
    /// Neither.
    Inactive,
}

impl Direction {
    /// The attribute name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    /// Reads an attribute name.
    #[must_use]
    pub fn from_attribute(name: &str) -> Option<Self> {
        match name {
            "sendrecv" => Some(Self::SendRecv),
            "sendonly" => Some(Self::SendOnly),
            "recvonly" => Some(Self::RecvOnly),
            "inactive" => Some(Self::Inactive),
            _ => None,
        }
    }

    /// The direction with these two abilities.
    #[must_use]
    pub fn from_abilities(ability: Abilities) -> Self {
        match (ability.sends, ability.receives) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    /// Whether the describer sends.
    #[must_use]
    pub fn sends(self) -> bool {
        match self {
            Self::SendRecv | Self::SendOnly => true,
            Self::RecvOnly | Self::Inactive => false,
        }
    }

    /// Whether the describer receives.
    #[must_use]
    pub fn receives(self) -> bool {
        match self {
            Self::SendRecv | Self::RecvOnly => true,
            Self::SendOnly | Self::Inactive => false,
        }
    }

    /// The same stream seen from the other side.
    #[must_use]
    pub fn reversed(self) -> Self {
        match self {
            Self::SendOnly => Self::RecvOnly,
            Self::RecvOnly => Self::SendOnly,
            Self::SendRecv | Self::Inactive => self,
        }
    }

    /// What is left when both must agree on sending and on receiving.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self::from_abilities(Abilities {
            sends: self.sends() && other.sends(),
            receives: self.receives() && other.receives(),
        })
    }

    /// Whether `answer` is allowed for an offer with this direction.
    #[must_use]
    pub fn allows_answer(self, answer: Self) -> bool {
        self.reversed().and(answer) == answer
    }
}

/// The two halves of a [`Direction`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abilities {
    /// The describer sends.
    pub sends: bool,
    /// The describer receives.
    pub receives: bool,
}
