//! A leader with working orders, and a broker that is played message by message.

use crate::support::{Sent, World, fix};
use fastcore::config::Config;
use fastcore::event::EventKind;
use fastcore::link::SendKind;
use fastcore::profile::{OrderType, Tif};

/// A venue that takes everything, and replaces.
pub fn takes_all(c: &mut Config) {
    let p = &mut c.profiles[0];
    p.order_types = vec![OrderType::Market, OrderType::Limit, OrderType::Stop, OrderType::StopLimit];
    p.tifs = vec![Tif::Day, Tif::Gtc, Tif::Ioc, Tif::Fok, Tif::Gtd];
    p.supports.replace = true;
}

pub fn world(extra: &str) -> World {
    World::with(crate::support::SAME, &format!(r#","copy":"orders"{extra}"#), takes_all)
}

/// The same at a venue that does not replace.
pub fn plain_world(extra: &str) -> World {
    World::with(crate::support::SAME, &format!(r#","copy":"orders"{extra}"#), |c| {
        takes_all(c);
        c.profiles[0].supports.replace = false;
    })
}

pub const LIMIT: &str = "40=2|44=1.1|59=1|";
pub const STOP: &str = "40=3|99=1|59=1|";
pub const TAKE: &str = "40=2|44=1.2|59=1|";

pub fn time(at_ns: i64) -> String {
    let mut text = Vec::new();
    fastcore::time::write_utc(at_ns, &mut text);
    String::from_utf8(text).unwrap()
}

/// One report of a leader's order. `kind` is ExecType(150) and OrdStatus(39).
pub fn report(
    w: &mut World,
    kind: (char, char),
    order: &str,
    side: u8,
    qty: &str,
    cum: &str,
    rest: &str,
) -> Vec<Sent> {
    w.exec += 1;
    let (e, at, (exec, status)) = (w.exec, time(w.now), kind);
    w.apply(
        EventKind::Leader,
        "L",
        &fix(&format!(
            "35=8|34={e}|37={order}|17=E{e}|150={exec}|39={status}|55=EURUSD|54={side}|38={qty}|14={cum}|151=0|60={at}|{rest}"
        )),
    )
}

pub fn new(w: &mut World, order: &str, side: u8, qty: &str, terms: &str) -> Vec<Sent> {
    report(w, ('0', '0'), order, side, qty, "0", terms)
}

pub fn replaced(w: &mut World, order: &str, side: u8, qty: &str, cum: &str, terms: &str) -> Vec<Sent> {
    report(w, ('5', '5'), order, side, qty, cum, terms)
}

pub fn canceled(w: &mut World, order: &str, side: u8, qty: &str, cum: &str) -> Vec<Sent> {
    report(w, ('4', '4'), order, side, qty, cum, "")
}

/// A fill of the leader's order; the whole order is filled when `cum` is its quantity.
pub fn traded(w: &mut World, order: &str, side: u8, qty: &str, last: &str, cum: &str) -> Vec<Sent> {
    let status = if qty == cum { '2' } else { '1' };
    report(w, ('F', status), order, side, qty, cum, &format!("32={last}|31=1.1|"))
}

/// What a message is, in few words: its type, side, quantity, terms and stop price.
pub fn words(sent: &[Sent]) -> Vec<String> {
    let of = |s: &Sent, tag: &str| {
        s.text
            .split('|')
            .find_map(|f| f.strip_prefix(&format!("{tag}=")).map(str::to_owned))
            .unwrap_or_default()
    };
    let word = |s: &Sent| match of(s, "35").as_str() {
        "F" => "cancel".to_owned(),
        "H" => "status".to_owned(),
        kind => {
            let what = if kind == "G" { "replace" } else { "new" };
            let side = if s.buy { "buy" } else { "sell" };
            let px = [of(s, "44"), of(s, "99")].join("/");
            format!("{what} {side} {} {} {px} {}", s.qty, of(s, "40"), of(s, "59")).trim_end().to_owned()
        }
    };
    sent.iter().map(word).collect()
}

/// The only message, which is this in words.
pub fn only(sent: &[Sent], word: &str) -> Sent {
    assert_eq!(words(sent), [word], "{sent:?}");
    sent[0].clone()
}

/// Sent and acknowledged; what that leads to.
pub fn work(w: &mut World, s: &Sent) -> Vec<Sent> {
    let mut out = w.out(s);
    out.extend(w.acknowledge(s));
    out
}

/// The broker's answers to a request `by` about the order `of`.
pub fn accepted(w: &mut World, of: &Sent, by: &Sent, cum: &str) -> Vec<Sent> {
    let (id, old, side, qty) = (&by.id, &of.id, if of.buy { 1 } else { 2 }, &by.qty);
    w.exec += 1;
    let e = w.exec;
    w.broker(&format!(
        "35=8|37=B{old}|11={id}|41={old}|17=P{e}|150=5|39=5|55=EURUSD|54={side}|38={qty}|14={cum}|151=0|"
    ))
}

pub fn ended(w: &mut World, of: &Sent, by: &Sent, cum: &str) -> Vec<Sent> {
    let (id, old, side, qty) = (&by.id, &of.id, if of.buy { 1 } else { 2 }, &of.qty);
    w.exec += 1;
    let e = w.exec;
    w.broker(&format!(
        "35=8|37=B{old}|11={id}|41={old}|17=P{e}|150=4|39=4|55=EURUSD|54={side}|38={qty}|14={cum}|151=0|"
    ))
}

/// A cancel reject. `why` is CxlRejReason(102): 0 too late, 2 the broker's option.
pub fn refused(w: &mut World, of: &Sent, by: &Sent, why: u8) -> Vec<Sent> {
    let (id, old) = (&by.id, &of.id);
    w.broker(&format!("35=9|37=B{old}|11={id}|41={old}|39=0|102={why}|434=1|"))
}

/// Messages that are no questions.
pub fn acts(sent: Vec<Sent>) -> Vec<Sent> {
    sent.into_iter().filter(|s| s.kind != SendKind::Status).collect()
}
