//! Orders that rest at a broker on paper: a limit until the market comes to it, a stop until the market has reached it.

use fastcore::decimal::Dec;
use fastcore::fix::Message;

/// What an order that arrives, or waits, does at a market.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It fills, at this price; without one nobody knows it.
    Fills(Option<Dec>),
    /// It waits.
    Rests,
    /// It was to fill at once, and cannot.
    Expires,
}

/// What an order's own text says of when it fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Terms {
    buy: bool,
    /// Price(44) of a limit, and of a stop-limit.
    px: Option<Dec>,
    /// StopPx(99), until it is reached.
    stop_px: Option<Dec>,
    /// TimeInForce(59) is IOC or FOK.
    at_once: bool,
}

/// An order that rests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Resting {
    /// BeginString(8).
    pub(super) begin: Vec<u8>,
    /// The ClOrdID(11) that it was placed under.
    pub(super) id: Vec<u8>,
    /// The one that it has by now.
    pub(super) name: Vec<u8>,
    /// OrderQty(38), as its text has it.
    pub(super) qty: Vec<u8>,
    pub(super) terms: Terms,
}

impl Terms {
    pub(super) fn read(m: &Message<'_>) -> Self {
        let px = |tag: u32| m.get(tag).and_then(|text| Dec::parse(text).ok());
        let at_once = matches!(m.get(59), Some(b"3" | b"4"));
        Terms { buy: m.get(54) == Some(b"1"), px: px(44), stop_px: px(99), at_once }
    }

    /// On arrival: at the market where that is no worse than its limit. `market`: what it would pay or get now.
    pub(super) fn arrives(&self, market: Option<Dec>) -> Fate {
        match (self.stop_px, self.px, market) {
            (Some(_), _, _) => self.triggered(market).map_or(Fate::Rests, |t| t.arrives(market)),
            (None, Some(limit), Some(at)) if !self.reaches(limit, at) => {
                if self.at_once {
                    Fate::Expires
                } else {
                    Fate::Rests
                }
            }
            _ => Fate::Fills(market),
        }
    }

    /// A stop that the market has reached: what is left of its terms.
    pub(super) fn triggered(&self, market: Option<Dec>) -> Option<Terms> {
        let (stop, at) = (self.stop_px?, market?);
        let reached = if self.buy { at >= stop } else { at <= stop };
        reached.then_some(Terms { stop_px: None, ..*self })
    }

    /// Behind its arrival a limit fills at its own price: the market came to it.
    pub(super) fn waits(&self, market: Option<Dec>) -> Fate {
        match (self.stop_px, self.px, market) {
            (None, Some(limit), Some(at)) if self.reaches(limit, at) => Fate::Fills(Some(limit)),
            _ => Fate::Rests,
        }
    }

    fn reaches(&self, limit: Dec, at: Dec) -> bool {
        if self.buy { at <= limit } else { at >= limit }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn d(t: &str) -> Dec {
        Dec::parse(t.as_bytes()).unwrap()
    }

    fn terms(buy: bool, px: &str, stop_px: &str, at_once: bool) -> Terms {
        let some = |t: &str| (!t.is_empty()).then(|| d(t));
        Terms { buy, px: some(px), stop_px: some(stop_px), at_once }
    }

    /// A buy at 10, and a stop to sell at 9: where the market is decides, and an order that may not wait expires.
    #[test]
    fn an_order_fills_rests_or_expires_by_where_the_market_is() {
        let at = |t: &str| Some(d(t));
        for (order, market, fate) in [
            (terms(true, "", "", false), at("10"), Fate::Fills(at("10"))),
            (terms(true, "", "", false), None, Fate::Fills(None)),
            (terms(true, "10", "", false), at("9.5"), Fate::Fills(at("9.5"))),
            (terms(true, "10", "", false), at("10.5"), Fate::Rests),
            (terms(true, "10", "", true), at("10.5"), Fate::Expires),
            (terms(false, "10", "", true), at("10.5"), Fate::Fills(at("10.5"))),
            (terms(false, "10", "", false), at("9.5"), Fate::Rests),
            (terms(false, "", "9", false), at("9.5"), Fate::Rests),
            (terms(false, "", "9", false), at("9"), Fate::Fills(at("9"))),
            (terms(true, "", "9", false), at("9.5"), Fate::Fills(at("9.5"))),
            (terms(true, "", "9", false), at("8.5"), Fate::Rests),
            (terms(true, "", "9", false), None, Fate::Rests),
            (terms(false, "8.9", "9", false), at("8.95"), Fate::Fills(at("8.95"))),
            (terms(false, "8.9", "9", false), at("8.5"), Fate::Rests),
        ] {
            assert_eq!(order.arrives(market), fate, "{order:?} at {market:?}");
        }
    }

    /// A limit that has waited fills at its own price; a stop is no limit before it was reached.
    #[test]
    fn a_limit_that_waited_fills_at_its_own_price() {
        let limit = terms(true, "10", "", false);
        assert_eq!(limit.waits(Some(d("9.5"))), Fate::Fills(Some(d("10"))));
        assert_eq!(limit.waits(Some(d("10.5"))), Fate::Rests);
        assert_eq!(limit.waits(None), Fate::Rests);
        let stop = terms(false, "8.9", "9", false);
        assert_eq!((stop.waits(Some(d("9.5"))), stop.triggered(Some(d("9.5")))), (Fate::Rests, None));
        let left = stop.triggered(Some(d("8.5"))).unwrap();
        assert_eq!(
            (left.waits(Some(d("8.5"))), left.waits(Some(d("8.9")))),
            (Fate::Rests, Fate::Fills(Some(d("8.9"))))
        );
    }
}
