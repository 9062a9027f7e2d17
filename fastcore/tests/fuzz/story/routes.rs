//! What routes say: greetings, rows, and what brokers answer.

use super::*;

impl Story<'_> {
    pub(super) fn hello(&mut self, route: usize) {
        self.incarnations[route] += u64::from(!self.rng.one_in(4));
        let log_id = if self.rng.one_in(12) { 2 } else { 1 };
        let seen = if self.rng.one_in(60) { u64::MAX } else { 0 };
        let session = format!("R{route}");
        let sessions: &[&str] = if self.rng.one_in(5) { &[] } else { &[&session] };
        let (name, next) = (format!("r{route}"), self.rows[route] + 1);
        let mut frame =
            link::encode_hello(&name, self.incarnations[route], log_id, next, seen, sessions).unwrap();
        match self.rng.below(30) {
            0 => frame.clear(),
            1 => mutate::bytes(self.rng, &mut frame),
            _ => {}
        }
        self.apply(EventKind::Link, &name, frame);
    }

    pub(super) fn sync(&mut self, route: usize) {
        let (incarnation, epoch) = (self.incarnations[route], self.epoch);
        let session = format!("R{route}");
        self.rows_of(route, &[Row::Sync { incarnation, epoch }, Row::Logon { session: &session }]);
    }

    pub(super) fn rows_of(&mut self, route: usize, rows: &[Row<'_>]) {
        let first = if self.rng.one_in(40) { self.rows[route] } else { self.rows[route] + 1 };
        self.rows[route] = first + rows.len() as u64 - 1;
        let refs: Vec<RowRef<'_>> =
            (first..).zip(rows).map(|(row_no, row)| RowRef { row_no, at_ns: self.now, row: *row }).collect();
        let mut frame = link::encode_rows(self.incarnations[route], &refs).unwrap();
        if self.rng.one_in(40) {
            mutate::bytes(self.rng, &mut frame);
        }
        self.apply(EventKind::Route, &format!("r{route}"), frame);
    }

    /// Everything that a route has and did not send yet went out.
    pub(super) fn out(&mut self) {
        let some = |s: &Sent| !s.out;
        let Some(route) = self.sent.iter().rev().find(|s| some(s)).map(|s| s.route) else { return };
        let mut keys = KeysBuf::default();
        for s in self.sent.iter_mut().filter(|s| s.route == route && !s.out).take(SENT_MAX) {
            s.out = true;
            keys.push(&s.id, s.try_no).unwrap();
        }
        self.rows_of(route, &[Row::Out { journal_no: 1, keys: keys.as_keys() }]);
    }

    /// Reports of a broker on some of our messages, in one frame.
    pub(super) fn broker(&mut self) {
        if self.sent.is_empty() {
            return;
        }
        let route = self.rng.pick(&self.sent).route;
        let mine: Vec<usize> = (0..self.sent.len()).filter(|n| self.sent[*n].route == route).collect();
        let reports: Vec<Vec<u8>> = (0..1 + self.rng.below(4))
            .map(|_| {
                // Of the newest mostly: older ones are done.
                let back = self.rng.below(mine.len().min(6));
                let at = if self.rng.one_in(6) { *self.rng.pick(&mine) } else { mine[mine.len() - 1 - back] };
                self.report(at)
            })
            .collect();
        let session = format!("R{route}");
        let rows: Vec<Row<'_>> =
            reports.iter().map(|raw| Row::In { session: &session, msg_seq_num: 1, raw }).collect();
        self.rows_of(route, &rows);
    }

    pub(super) fn report(&mut self, at: usize) -> Vec<u8> {
        let exec = format!("X{}", self.next_number());
        let get = |list: &Fields, tag: u32| {
            list.iter()
                .find(|f| f.0 == tag)
                .map(|f| String::from_utf8_lossy(&f.1).into_owned())
                .unwrap_or_default()
        };
        let s = &self.sent[at];
        let (qty, kind, symbol) = (get(&s.fields, 38), get(&s.fields, 35), get(&s.fields, 55));
        let whole: i64 = qty.parse().unwrap_or(1);
        let cum = s.cum;
        let (fill, status) = if self.rng.one_in(3) { (1, "1") } else { (whole.saturating_sub(cum), "2") };
        let (exec_type, status, last) = match self.rng.below(12) {
            0..=4 => ("F", status, fill),
            5 => ("8", "8", 0),
            6 => ("4", "4", 0),
            7 => ("C", "C", 0),
            8 => ("I", *self.rng.pick(&["0", "1", "4", "8"]), 0),
            9 => ("H", "1", 1),
            10 => (*self.rng.pick(&["5", "6", "D", "3", "E", "G", "L"]), "1", 1),
            _ => ("0", "0", 0),
        };
        if exec_type == "F" {
            self.sent[at].cum = self.sent[at].cum.saturating_add(last);
        }
        let s = &self.sent[at];
        let (id, cum) = (&s.id, s.cum);
        let (side, named) = (get(&s.fields, 54), get(&s.fields, 41));
        let text = match (kind.as_str(), self.rng.below(8)) {
            ("F", 0..=3) => format!("35=9|11={id}|41={named}|37=B|39=1|434=1|102=0|"),
            ("F", _) => format!(
                "35=8|37=B{named}|11={id}|41={named}|17={exec}|150=4|39=4|55={symbol}|54={side}|38={qty}|14={cum}|151=0|"
            ),
            ("H", 0..=3) => format!(
                "35=8|37=NONE|11={id}|17={exec}|150=8|39=8|103=5|55={symbol}|54={side}|38=1|14=0|151=0|"
            ),
            ("AN", _) => {
                format!("35=AP|710={id}|727=1|728=0|1={}|55=X|703=TQ|704={whole}|705=0|", get(&s.fields, 1))
            }
            (_, 0) => format!("35=j|45=1|372=D|379={id}|380=3|58=no|"),
            _ => format!(
                "35=8|37=B{id}|11={id}|17={exec}|19=X{}|378=5|150={exec_type}|39={status}|55={symbol}|54={side}|38={qty}|32={last}|31=1.1|14={cum}|151=0|",
                self.number.saturating_sub(3)
            ),
        };
        self.message(mutate::fields_of(&text))
    }

    /// What a route writes beside reports.
    pub(super) fn other_row(&mut self) {
        let route = self.rng.below(ROUTES);
        let session = format!("R{route}");
        let found = self.sent.iter().rev().find(|s| s.route == route).cloned();
        let (id, try_no) = found.map_or(("NONE".to_owned(), 1), |s| (s.id, s.try_no));
        let list = self.about_account("X", 3);
        let (told, raw) =
            (self.message(list), mutate::framed(self.rng, &mutate::fields_of("35=3|45=2|58=no|")));
        let row = match self.rng.below(8) {
            0 | 1 => Row::NotSent { cl_ord_id: &id, try_no, reason: 1 },
            2 => Row::Rejected { session: &session, msg_seq_num: 4, cl_ord_id: &id, raw: &raw },
            3 => Row::Refused { session: &session, raw: &raw },
            4 => Row::Logout { session: &session },
            5 => Row::Logon { session: &session },
            6 => Row::Gap { session: &session, from: 3, to: 9 },
            _ => Row::In { session: &session, msg_seq_num: 5, raw: &told },
        };
        self.rows_of(route, &[row]);
    }

    /// What accounts are worth and what things cost, in most stories: without it most sizing rules refuse.
    pub(super) fn accounts(&mut self) {
        if self.rng.one_in(5) {
            return;
        }
        let names = (0..LEADERS).map(|n| format!("l{n}")).chain((0..FOLLOWERS).map(|n| format!("f{n}")));
        for name in names.collect::<Vec<_>>() {
            let text = json!({"cmd": "account", "account": name, "balance": "1000", "equity": "1000", "free_margin": "900"});
            self.apply(EventKind::Operator, "", text.to_string().into_bytes());
        }
        for name in SYMBOLS {
            let text = json!({"instrument": name, "bid": "1.09", "ask": "1.11"});
            self.apply(EventKind::Quote, "", text.to_string().into_bytes());
        }
    }
}
