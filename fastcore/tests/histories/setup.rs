//! What does not change during a history: who copies whom, and by which rule.

use fastcore::config::Rounding;

pub const LEADERS: usize = 2;

/// The rounding names, so that a new policy is not forgotten here.
pub const ROUNDINGS: [(&str, Rounding); 4] = [
    ("toward_zero", Rounding::TowardZero),
    ("nearest", Rounding::Nearest),
    ("hold", Rounding::Hold),
    ("min_lot_if_nonzero", Rounding::MinLotIfNonzero),
];

/// One subscription of a history.
#[derive(Clone, Debug)]
pub struct Rule {
    pub leader: usize,
    pub sizing: &'static str,
    pub rounding: &'static str,
    pub reverse: bool,
    pub retry: bool,
    pub max_order: Option<i64>,
    pub max_position: Option<i64>,
}

/// Everything that does not change during a history. Contract size 1: units are lots.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Lot step: a broker may fill less than one.
    pub step: i64,
    /// Minimum lot.
    pub min: i64,
    pub rules: Vec<Rule>,
}

impl Setup {
    pub fn json(&self) -> String {
        let subs: Vec<String> = self.rules.iter().enumerate().map(|(n, r)| r.json(n)).collect();
        let leaders: Vec<String> = (0..LEADERS)
            .map(|n| {
                format!(
                    r#"{{"name":"l{n}","session":"L{n}","profile":"p","symbols":{{"X":"X"}},"assume_flat":true,
                    "currency":"USD"}}"#
                )
            })
            .collect();
        format!(
            r#"{{"deployment":"t","profiles":[{{"name":"p","begin_string":"FIX.4.4","query_covers":"all","supports":{{"status_request":true}}}}],
            "instruments":[{{"name":"X","contract_size":"1","lot_step":"{}","min_lot":"{}","tick":"0.01","currency":"USD"}}],
            "leaders":[{}],"routes":[{{"name":"r","session":"R","profile":"p"}}],
            "followers":[{{"name":"f","route":"r","account":"F","symbols":{{"X":"X"}},"currency":"USD"}}],
            "subscriptions":[{}]}}"#,
            self.step,
            self.min,
            leaders.join(","),
            subs.join(",")
        )
    }
}

impl Rule {
    fn json(&self, n: usize) -> String {
        let text = |v: Option<i64>| v.map_or("null".to_owned(), |v| format!("\"{v}\""));
        let on_reject = if self.retry { "retry" } else { "drop" };
        format!(
            r#"{{"name":"s{n}","follower":"f","leader":"l{}","sizing":{},"max_ratio":"100","rounding":"{}","reverse":{},
            "on_reject":"{on_reject}","retry_window_ms":30000,"symbol_map":{{"X":{{"instrument":"X"}}}},
            "limits":{{"default":{{"max_order_qty_lots":{},"max_position_lots":{}}}}}}}"#,
            self.leader,
            self.sizing,
            self.rounding,
            self.reverse,
            text(self.max_order),
            text(self.max_position)
        )
    }
}
