//! Meaning, row by row. Messages are written with `|`.

use super::*;
use crate::fix::parse;
use proptest::prelude::*;

fn wire(text: &str) -> Vec<u8> {
    format!("8=FIX.4.4|{text}").bytes().map(|b| if b == b'|' { 1 } else { b }).collect()
}

fn profile() -> Profile {
    Profile::standard("test", "FIX.4.4")
}

fn with<T>(text: &str, p: &Profile, look: impl FnOnce(Result<Inbound<'_>, Unreadable>) -> T) -> T {
    let raw = wire(text);
    let mut fields = Vec::new();
    let m = parse(&raw, &mut fields).unwrap();
    look(read(&m, p))
}

fn kind(text: &str) -> Kind {
    with(&format!("35=8|37=1|{text}"), &profile(), |r| match r.unwrap() {
        Inbound::Execution(r) => r.kind,
        other => panic!("{other:?}"),
    })
}

fn dec(text: &str) -> Option<Dec> {
    Some(Dec::parse(text.as_bytes()).unwrap())
}

/// Every row of the table in 04.
#[test]
fn every_exec_type_has_its_kind() {
    let rows = [
        ("150=A|39=A|", Kind::PendingNew),
        ("150=0|39=0|", Kind::New),
        ("150=F|39=1|14=5|32=5|", Kind::Trade),
        ("150=1|39=1|14=5|32=5|", Kind::Trade),
        ("150=2|39=2|14=5|32=5|", Kind::Trade),
        ("150=4|39=4|", Kind::Canceled),
        ("150=C|39=C|", Kind::Expired),
        ("150=5|39=0|", Kind::Replaced),
        ("150=6|39=6|", Kind::PendingCancel),
        ("150=E|39=E|", Kind::PendingReplace),
        ("150=8|39=8|", Kind::Rejected),
        ("150=3|39=3|", Kind::DoneForDay),
        ("150=D|39=0|378=5|", Kind::Restated { reason: Some(5) }),
        ("150=D|39=0|", Kind::Restated { reason: None }),
        ("150=G|39=2|32=5|", Kind::Correct),
        ("150=H|39=4|32=5|", Kind::Bust),
        ("150=I|39=2|14=5|", Kind::Status),
        ("150=7|39=7|", Kind::Note(b'7')),
        ("150=9|39=9|", Kind::Note(b'9')),
        ("150=B|39=B|", Kind::Note(b'B')),
        ("150=J|", Kind::Note(b'J')),
        ("150=K|", Kind::Note(b'K')),
        ("150=L|39=0|", Kind::Note(b'L')),
        ("150=XY|39=0|", Kind::Note(b'?')),
        ("", Kind::Note(0)),
    ];
    for (text, want) in rows {
        assert_eq!(kind(text), want, "{text}");
    }
}

/// ExecTransType is read before ExecType, unless the profile says that the venue misuses it.
#[test]
fn exec_trans_type_is_read_first_when_trusted() {
    assert_eq!(kind("20=0|150=2|39=2|14=5|32=5|"), Kind::Trade);
    assert_eq!(kind("20=1|150=2|39=2|14=0|32=5|"), Kind::Bust);
    assert_eq!(kind("20=2|150=2|39=2|14=4|32=4|"), Kind::Correct);
    assert_eq!(kind("20=3|150=2|39=2|14=5|32=5|"), Kind::Status);
    let p = Profile { exec_trans_type: ExecTransType::Ignore, ..profile() };
    with("35=8|37=1|20=3|150=2|39=2|14=5|32=5|", &p, |r| {
        assert!(matches!(r, Ok(Inbound::Execution(Report { kind: Kind::Trade, .. }))));
    });
}

/// A fill of nothing is an acknowledgement; a fill with CumQty 0 but a LastQty is a fill.
#[test]
fn fills_of_nothing_are_not_fills() {
    assert_eq!(kind("150=2|39=0|14=0|32=0|"), Kind::New);
    assert_eq!(kind("150=F|39=A|14=0|"), Kind::PendingNew);
    assert_eq!(kind("150=2|39=2|14=0|32=0|"), Kind::Note(b'2'));
    assert_eq!(kind("150=2|39=2|14=0|32=100|"), Kind::Trade);
    assert_eq!(kind("150=F|39=G|14=100|32=100|"), Kind::Trade);
    assert_eq!(kind("150=3|39=2|14=1|32=1|"), Kind::Trade);
}

/// Without ExecType the status speaks, but a fill needs a quantity.
#[test]
fn a_missing_exec_type_is_read_from_the_status() {
    assert_eq!(kind("39=8|14=0|"), Kind::Rejected);
    assert_eq!(kind("39=4|14=3|"), Kind::Canceled);
    assert_eq!(kind("39=2|14=3|32=3|"), Kind::Trade);
    assert_eq!(kind("39=2|14=0|"), Kind::Note(b'2'));
}

/// Bad quantities that count are named; the same noise elsewhere does no harm.
#[test]
fn only_needed_noise_makes_a_report_unreadable() {
    for (bad, why) in [
        ("14=blablabla", "is not a number"),
        ("14=1e30", "is not a number"),
        ("14=NaN", "is not a number"),
        ("14=-5", "is negative"),
        ("14=0.12345678901234567891", "has more than 18 decimals"),
        ("14=999999999999999999999999", "is further than 10^20 from zero"),
    ] {
        with(&format!("35=8|37=1|150=F|39=1|{bad}|32=5|"), &profile(), |r| {
            let e = r.unwrap_err();
            assert_eq!((e.tag, e.why), (14, why), "{bad}");
        });
    }
    with("35=8|37=1|150=F|39=1|32=x|", &profile(), |r| assert_eq!(r.unwrap_err().tag, 32));
    with("35=8|37=1|150=H|39=1|14=5|32=x|", &profile(), |r| assert_eq!(r.unwrap_err().tag, 32));
    let noise = "35=8|37=1|150=F|39=1|14=5|32=x|38=y|151=z|31=w|6=v|44=u|60=t|103=s|54=9|99=r|5001=q|";
    with(noise, &profile(), |r| {
        let Ok(Inbound::Execution(r)) = r else { panic!("{r:?}") };
        assert_eq!((r.kind, r.cum_qty, r.last_qty, r.order_qty), (Kind::Trade, dec("5"), None, None));
        assert_eq!((r.last_px, r.transact_ns, r.side), (None, None, Side::Other(b'9')));
    });
    with("35=8|37=NONE|150=8|39=8|14=N/A|32=?|54=|", &profile(), |r| {
        let Ok(Inbound::Execution(r)) = r else { panic!("{r:?}") };
        assert_eq!((r.kind, r.order_id, r.side), (Kind::Rejected, &b""[..], Side::Missing));
    });
}

/// With `last_qty` an unreadable CumQty does not matter, an unreadable LastQty does.
#[test]
fn the_profile_says_which_quantity_counts() {
    let p = Profile { fill_qty: FillQty::LastQty, ..profile() };
    with("35=8|37=1|150=F|39=1|14=x|32=5|", &p, |r| {
        assert!(matches!(r, Ok(Inbound::Execution(Report { cum_qty: None, .. }))));
    });
    with("35=8|37=1|150=F|39=1|14=5|32=x|", &p, |r| assert_eq!(r.unwrap_err().tag, 32));
}

/// Accounts, order keys, prices and clocks are where the profile says.
#[test]
fn fields_are_taken_from_where_the_profile_says() {
    let text = "35=8|56=ME|52=20200101-00:00:01|1=A|37=O|11=C|150=F|39=2|14=1|32=1|6=2.5|31=2.4|60=20200101-00:00:00|\
        453=2|448=X|447=D|452=1|448=P|447=D|452=24|9001=POS|48=ISIN|55=S|";
    let p = Profile {
        account_field: AccountField::Party(24),
        order_key: OrderKey::ClOrdId,
        fill_px: FillPx::Avg,
        time_source: TimeSource::SendingTime,
        position_id_tag: 9001,
        symbol_tag: 48,
        ..profile()
    };
    with(text, &p, |r| {
        let Ok(Inbound::Execution(r)) = r else { panic!("{r:?}") };
        assert_eq!(
            (r.account, r.order_key, r.position_id, r.symbol),
            (&b"P"[..], &b"C"[..], &b"POS"[..], &b"ISIN"[..])
        );
        assert_eq!((r.last_px, r.transact_ns), (dec("2.5"), Some(1_577_836_801_000_000_000)));
    });
    for (field, want) in
        [(AccountField::Tag1, &b"A"[..]), (AccountField::CompId, b"ME"), (AccountField::None, b"")]
    {
        with(text, &Profile { account_field: field, ..profile() }, |r| {
            let Ok(Inbound::Execution(r)) = r else { panic!("{r:?}") };
            assert_eq!((r.account, r.order_key, r.last_px), (want, &b"O"[..], dec("2.4")));
        });
    }
}

/// Legs or summary, never both; a drop copy only where it is wanted.
#[test]
fn legs_and_drop_copies_follow_the_profile() {
    let ignored = |text: &str, p: &Profile| with(text, p, |r| matches!(r, Ok(Inbound::Ignored { .. })));
    let (leg, sum) = ("35=8|150=F|39=2|14=1|32=1|442=2|", "35=8|150=F|39=2|14=1|32=1|442=3|");
    let legs = Profile { multileg: Multileg::Legs, ..profile() };
    assert_eq!(
        [ignored(leg, &profile()), ignored(sum, &profile()), ignored(leg, &legs), ignored(sum, &legs)],
        [true, false, false, true]
    );
    let copy = "35=8|150=F|39=2|14=1|32=1|797=Y|";
    assert!(ignored(copy, &profile()));
    assert!(!ignored(copy, &Profile { drop_copy: true, ..profile() }));
}

/// Refusals come in three forms, and each names our message.
#[test]
fn every_form_of_refusal_is_read() {
    with("35=9|11=C|41=O|37=NONE|39=8|434=2|102=1|58=late|", &profile(), |r| {
        let Ok(Inbound::CancelReject(r)) = r else { panic!("{r:?}") };
        assert_eq!(
            (r.cl_ord_id, r.orig_cl_ord_id, r.order_id, r.reason),
            (&b"C"[..], &b"O"[..], &b""[..], &b"1"[..])
        );
        assert_eq!((r.ord_status, r.response_to), (b'8', b'2'));
    });
    with("35=j|45=7|379=C|372=D|380=3|58=no|", &profile(), |r| {
        let Ok(Inbound::BusinessReject(r)) = r else { panic!("{r:?}") };
        assert_eq!(
            (r.ref_seq_num, r.ref_id, r.ref_msg_type, r.reason),
            (Some(7), &b"C"[..], &b"D"[..], &b"3"[..])
        );
    });
    with("35=3|45=0007|371=38|372=D|373=5|58=\u{ff}|", &profile(), |r| {
        let Ok(Inbound::SessionReject(r)) = r else { panic!("{r:?}") };
        assert_eq!((r.ref_seq_num, r.ref_tag, r.reason), (Some(7), Some(38), &b"5"[..]));
    });
}

/// A position is the TQ entry; one that cannot be read is not taken for flat.
#[test]
fn positions_are_read_or_refused() {
    with(
        "35=AP|55=S|710=R|721=P|727=2|728=0|702=2|703=SOD|704=7|705=0|703=TQ|704=10|705=3|703=FIN|704=1|",
        &profile(),
        |r| {
            let Ok(Inbound::Position(r)) = r else { panic!("{r:?}") };
            assert_eq!(
                (r.long, r.short, r.position_id, r.total_reports),
                (dec("10"), dec("3"), &b"P"[..], Some(2))
            );
        },
    );
    with("35=AP|55=S|702=1|704=x|705=0|", &profile(), |r| assert_eq!(r.unwrap_err().tag, 704));
    with("35=AP|710=R|727=0|728=2|", &profile(), |r| {
        assert!(matches!(r, Ok(Inbound::Position(Position { long: None, result: Some(2), .. }))));
    });
    with("35=AP|55=S|724=1|702=1|704=5|", &profile(), |r| assert!(matches!(r, Ok(Inbound::Ignored { .. }))));
}

/// Account values, quotes, halts and news.
#[test]
fn the_other_messages_are_read() {
    with("35=BA|1=A|15=USD|901=100.5|900=-3|899=|", &profile(), |r| {
        let Ok(Inbound::Account(r)) = r else { panic!("{r:?}") };
        assert_eq!(
            (r.balance, r.equity, r.free_margin, r.currency),
            (dec("100.5"), dec("-3"), None, &b"USD"[..])
        );
    });
    with("35=BA|1=A|901=much|", &profile(), |r| assert_eq!(r.unwrap_err().tag, 901));
    with("35=W|55=S|268=3|269=1|270=1.2|269=0|270=1.1|269=0|270=1.0|", &profile(), |r| {
        assert_eq!(
            r,
            Ok(Inbound::Quote(Quote { symbol: b"S", bid: dec("1.1"), ask: dec("1.2"), as_of_ns: None }))
        );
    });
    for (text, want) in [
        ("35=f|55=S|326=2|", Some(true)),
        ("35=f|326=3|", Some(false)),
        ("35=f|326=19|", None),
        ("35=h|336=1|340=1|", Some(true)),
        ("35=h|340=2|", Some(false)),
        ("35=h|340=x|", None),
    ] {
        with(text, &profile(), |r| {
            let Ok(Inbound::Trading(r)) = r else { panic!("{r:?}") };
            assert_eq!(r.halted, want, "{text}");
        });
    }
    with("35=B|148=end|", &profile(), |r| assert_eq!(r, Ok(Inbound::News { headline: b"end" })));
    with("35=AE|150=F|", &profile(), |r| assert!(matches!(r, Ok(Inbound::Ignored { .. }))));
    with("34=1|", &profile(), |r| assert_eq!(r.unwrap_err().tag, 35));
}

proptest! {
    /// Any fields with any bytes: a meaning or a reason, never a panic.
    #[test]
    fn no_fields_panic(
        kind in prop::sample::select(vec!["8", "9", "j", "3", "AP", "BA", "W", "f", "h", "B", "AE", "?"]),
        fields in proptest::collection::vec((1_u32..1000, proptest::collection::vec(2_u8.., 0..12)), 0..60),
        tag in prop::sample::select(vec![6_u32, 14, 20, 31, 32, 38, 39, 150, 151, 704, 901, 270]),
        value in "[-+.0-9A-Z]{0,30}",
    ) {
        let mut raw = wire(&format!("35={kind}|{tag}={value}|"));
        for (tag, value) in fields {
            raw.extend_from_slice(format!("{tag}=").as_bytes());
            raw.extend_from_slice(&value);
            raw.push(1);
        }
        let mut buffer = Vec::new();
        if let Ok(m) = parse(&raw, &mut buffer) {
            let _ = read(&m, &profile());
            let _ = msg_seq_num(&m);
        }
    }
}
