//! Tests of [`super`].
#![allow(clippy::unwrap_used)]

use super::*;
use crate::fix::{self, Field};

fn d(t: &str) -> Dec {
    Dec::parse(t.as_bytes()).unwrap()
}

/// Where every state stands, written down a second time: nothing asked, a replace asked, a cancel asked.
const STANDINGS: [(State, &str); 11] = [
    (State::Held, "Held Held Held"),
    (State::Dispatched, "Away Away Away"),
    (State::Out, "Away Away Away"),
    (State::Acknowledged, "Working Replacing Canceling"),
    (State::PartlyFilled, "Working Replacing Canceling"),
    (State::Unknown, "Away Away Away"),
    (State::Filled, "Absent Absent Absent"),
    (State::Canceled, "Absent Absent Absent"),
    (State::Rejected, "Absent Absent Absent"),
    (State::Expired, "Absent Absent Absent"),
    (State::Missed, "Absent Absent Absent"),
];

/// What every standing leads to: gone, keep, change with replaces, change without.
const ACTS: [(Standing, &str); 6] = [
    (Standing::Absent, "Nothing Nothing Place Place"),
    (Standing::Held, "Withdraw Nothing Withdraw Withdraw"),
    (Standing::Away, "Nothing Nothing Nothing Nothing"),
    (Standing::Working, "Cancel Nothing Replace Cancel"),
    (Standing::Replacing, "Nothing Nothing Nothing Nothing"),
    (Standing::Canceling, "Nothing Nothing Nothing Nothing"),
];

/// Every state with every request stands where the table of the test says.
#[test]
fn every_state_stands_where_it_is_written_down() {
    assert_eq!(STANDINGS.map(|row| row.0), State::ALL);
    for (state, row) in STANDINGS {
        let found: Vec<String> = Asked::ALL.iter().map(|a| format!("{:?}", standing(state, *a))).collect();
        assert_eq!(found.join(" "), row, "{state:?}");
    }
}

/// Every standing with every wish leads to the act that the table of the test says.
#[test]
fn every_pair_of_standing_and_wish_is_as_written_down() {
    assert_eq!(ACTS.map(|row| row.0), Standing::ALL);
    for (standing, row) in ACTS {
        let cells = [(Wish::Gone, true), (Wish::Keep, true), (Wish::Change, true), (Wish::Change, false)];
        let found: Vec<String> = cells.iter().map(|(w, r)| format!("{:?}", act(standing, *w, *r))).collect();
        assert_eq!(found.join(" "), row, "{standing:?}");
        for wish in [Wish::Gone, Wish::Keep] {
            assert_eq!(act(standing, wish, true), act(standing, wish, false), "{standing:?} {wish:?}");
        }
    }
}

/// A second order while the first may still fill would be filled twice.
#[test]
fn an_order_is_placed_only_where_none_can_fill() {
    for state in State::ALL {
        for (asked, wish) in Asked::ALL.into_iter().flat_map(|a| Wish::ALL.map(|w| (a, w))) {
            let places = act(standing(state, asked), wish, true) == Act::Place;
            assert!(!places || state.is_done(), "{state:?} {asked:?} {wish:?}");
        }
    }
}

fn read(text: &str) -> Result<Terms, Unmirrored> {
    let body = text.replace('|', "\x01");
    let all = format!("8=FIX.4.4\x019={}\x01{body}", body.len());
    let sum: u32 = all.bytes().map(u32::from).sum::<u32>() % 256;
    let whole = format!("{all}10={sum:03}\x01");
    let mut fields: Vec<Field> = Vec::new();
    Terms::read(&fix::parse(whole.as_bytes(), &mut fields).unwrap())
}

fn terms(order_type: OrderType, px: &str, stop_px: &str, tif: Tif) -> Terms {
    let px_of = |t: &str| if t.is_empty() { None } else { Some(d(t)) };
    Terms { order_type, px: px_of(px), stop_px: px_of(stop_px), tif, expire_ns: None }
}

/// The four types and the five times in force are read; what is missing or strange is not guessed.
#[test]
fn terms_are_read_and_never_guessed() {
    let cases = [
        ("40=1|59=0|", Ok(terms(OrderType::Market, "", "", Tif::Day))),
        ("40=2|44=1.5|", Ok(terms(OrderType::Limit, "1.5", "", Tif::Day))),
        ("40=3|99=1.4|59=1|44=9|", Ok(terms(OrderType::Stop, "", "1.4", Tif::Gtc))),
        ("40=4|44=1.5|99=1.4|59=3|", Ok(terms(OrderType::StopLimit, "1.5", "1.4", Tif::Ioc))),
        ("40=2|44=1.5|59=4|", Ok(terms(OrderType::Limit, "1.5", "", Tif::Fok))),
        ("40=2|44=1.5|59=2|", Err(Unmirrored::Tif)),
        ("40=P|44=1.5|", Err(Unmirrored::OrderType)),
        ("44=1.5|", Err(Unmirrored::OrderType)),
        ("40=2|", Err(Unmirrored::Price)),
        ("40=2|44=0|", Err(Unmirrored::Price)),
        ("40=3|44=1|", Err(Unmirrored::Price)),
        ("40=4|99=1|", Err(Unmirrored::Price)),
    ];
    for (text, want) in cases {
        assert_eq!(read(&format!("35=8|{text}")), want, "{text}");
    }
    let till = read("35=8|40=2|44=1|59=6|126=20231114-22:13:20.000|").unwrap();
    assert_eq!((till.tif, till.expire_ns), (Tif::Gtd, Some(1_700_000_000_000_000_000)));
}

fn venue(types: &[OrderType], tifs: &[Tif]) -> Profile {
    Profile { order_types: types.to_vec(), tifs: tifs.to_vec(), ..Profile::standard("p", "FIX.4.4") }
}

const ALL_TYPES: [OrderType; 4] =
    [OrderType::Market, OrderType::Limit, OrderType::Stop, OrderType::StopLimit];

fn mapped(p: &Profile, t: &Terms, reverse: bool, buy: bool) -> Result<Terms, Unmirrored> {
    Mapping { profile: p, price_factor: d("2"), tick: d("0.05"), reverse, buy }.terms(t)
}

/// A limit is never worse than the leader's, a stop is further from the market, both on the follower's tick.
#[test]
fn prices_are_scaled_and_rounded_to_the_careful_side() {
    let p = venue(&ALL_TYPES, &[Tif::Day]);
    let limit = terms(OrderType::Limit, "1.01", "", Tif::Day); // 2.02
    assert_eq!(mapped(&p, &limit, false, true).unwrap().px, Some(d("2")));
    assert_eq!(mapped(&p, &limit, false, false).unwrap().px, Some(d("2.05")));
    let stop = terms(OrderType::Stop, "", "1.01", Tif::Day);
    assert_eq!(mapped(&p, &stop, false, true).unwrap().stop_px, Some(d("2.05")));
    assert_eq!(mapped(&p, &stop, false, false).unwrap().stop_px, Some(d("2")));
    let exact = terms(OrderType::StopLimit, "1.1", "1.2", Tif::Day);
    let both = mapped(&p, &exact, false, true).unwrap();
    assert_eq!((both.px, both.stop_px), (Some(d("2.2")), Some(d("2.4"))));
    let low = terms(OrderType::Limit, "0.001", "", Tif::Day);
    assert_eq!(mapped(&p, &low, false, true), Err(Unmirrored::Price), "below one tick there is no price");
}

/// In reverse a limit waits as a stop and a stop as a limit, and the venue must take what it becomes.
#[test]
fn reverse_swaps_limit_and_stop() {
    let p = venue(&ALL_TYPES, &[Tif::Day]);
    let limit = mapped(&p, &terms(OrderType::Limit, "1.01", "", Tif::Day), true, false).unwrap();
    assert_eq!(limit, terms(OrderType::Stop, "", "2", Tif::Day), "a sell stop below the market rounds down");
    let stop = mapped(&p, &terms(OrderType::Stop, "", "1.01", Tif::Day), true, true).unwrap();
    assert_eq!(stop, terms(OrderType::Limit, "2", "", Tif::Day));
    let both = mapped(&p, &terms(OrderType::StopLimit, "1.2", "1.1", Tif::Day), true, false).unwrap();
    assert_eq!(both, terms(OrderType::Limit, "2.2", "", Tif::Day));
    let no_stops = venue(&[OrderType::Limit], &[Tif::Day]);
    let limit = terms(OrderType::Limit, "1", "", Tif::Day);
    assert_eq!(mapped(&no_stops, &limit, true, true), Err(Unmirrored::VenueType));
    assert_eq!(mapped(&no_stops, &limit, false, true).unwrap().px, Some(d("2")));
}

/// What the venue lacks is replaced by what lasts longer, because the leader's end cancels it; never by what lasts less,
/// and what must fill at once is nothing else.
#[test]
fn a_time_in_force_is_replaced_only_by_a_longer_one() {
    let with = |tifs: &[Tif], tif: Tif, expire_ns: Option<i64>| {
        let t = Terms { tif, expire_ns, ..terms(OrderType::Limit, "1", "", Tif::Day) };
        mapped(&venue(&ALL_TYPES, tifs), &t, false, true).map(|t| (t.tif, t.expire_ns))
    };
    use Tif::{Day, Fok, Gtc, Gtd, Ioc};
    assert_eq!(with(&[Day, Gtc], Day, None), Ok((Day, None)));
    assert_eq!(with(&[Gtc], Day, None), Ok((Gtc, None)));
    assert_eq!(with(&[Gtd, Gtc], Gtd, Some(7)), Ok((Gtd, Some(7))));
    assert_eq!(with(&[Gtc], Gtd, Some(7)), Ok((Gtc, None)));
    assert_eq!(with(&[Gtd, Gtc], Gtd, None), Ok((Gtc, None)), "no ExpireTime(126)");
    for (tifs, tif) in
        [(&[Day][..], Gtc), (&[Day], Gtd), (&[Gtd], Gtd), (&[Day, Gtc, Fok], Ioc), (&[Gtc, Ioc], Fok)]
    {
        assert_eq!(with(tifs, tif, None), Err(Unmirrored::VenueTif), "{tifs:?} {tif:?}");
    }
    let market = Terms { tif: Ioc, ..terms(OrderType::Market, "", "", Day) };
    assert_eq!(mapped(&venue(&ALL_TYPES, &[]), &market, false, true).map(|t| t.tif), Ok(Day), "has none");
}

/// A long entered at 100 with a stop at 98: twice as far is 96; a short's stop at 102 becomes 104.
#[test]
fn a_stop_is_stretched_from_the_entry() {
    let stop = |at: &str| terms(OrderType::Stop, "", at, Tif::Day);
    assert_eq!(stop("98").stretched(d("100"), d("2")), Some(stop("96")));
    assert_eq!(stop("102").stretched(d("100"), d("2")), Some(stop("104")));
    assert_eq!(stop("98").stretched(d("100"), d("0.5")), Some(stop("99")));
    let both = terms(OrderType::StopLimit, "97", "98", Tif::Day);
    assert_eq!(both.stretched(d("100"), d("2")), Some(terms(OrderType::StopLimit, "95", "96", Tif::Day)));
    let limit = terms(OrderType::Limit, "97", "", Tif::Day);
    assert_eq!(limit.stretched(d("100"), d("2")), Some(limit), "a take profit stays");
    assert_eq!(stop("40").stretched(d("100"), d("2")), None, "minus twenty is no price");
}
