//! What is decided before a history begins: who copies whom, by which rule; and what a reload may change of it.

use fastcore::config::Rounding;

pub const LEADERS: usize = 2;
/// Each follower has a route and a broker of its own.
pub const FOLLOWERS: usize = 2;
pub const SYMBOLS: [&str; 2] = ["X", "Y"];

/// What can be stopped: field and name of the command, none for everything.
pub const SCOPES: [(&str, &str); 9] = [
    ("", ""),
    ("leader", "l0"),
    ("leader", "l1"),
    ("follower", "f0"),
    ("follower", "f1"),
    ("route", "r0"),
    ("route", "r1"),
    ("instrument", "X"),
    ("instrument", "Y"),
];
/// By level; 0 is none.
pub const LEVELS: [&str; 4] = ["", "no_opens", "close_only", "halt"];

/// What a person does to one subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// Level 1 or 2.
    Pause(usize),
    Resume,
    Leave(&'static str),
    Resync,
    /// Copies again; with the leader's position where it says so.
    Join(bool),
}

pub const TOLD: [Told; 10] = [
    Told::Pause(1),
    Told::Pause(2),
    Told::Resume,
    Told::Leave("keep"),
    Told::Leave("close_now"),
    Told::Leave("close_with_leader"),
    Told::Resync,
    Told::Resync,
    Told::Join(false),
    Told::Join(true),
];

/// The rounding names, so that a new policy is not forgotten here.
pub const ROUNDINGS: [(&str, Rounding); 4] = [
    ("toward_zero", Rounding::TowardZero),
    ("nearest", Rounding::Nearest),
    ("hold", Rounding::Hold),
    ("min_lot_if_nonzero", Rounding::MinLotIfNonzero),
];

/// What a sizing mode comes to, in this world: units per unit as a fraction, or units for a whole leader order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worth {
    Rate(i64, i64),
    Amount(i64),
}

/// A sizing mode with its key, and two values: before and after a reload.
#[derive(Clone, Copy)]
pub struct Sizing {
    pub mode: &'static str,
    pub key: &'static str,
    pub values: [(&'static str, Worth); 2],
}

const fn sizing(mode: &'static str, key: &'static str, values: [(&'static str, Worth); 2]) -> Sizing {
    Sizing { mode, key, values }
}

use Worth::{Amount, Rate};

/// Every account begins with an equity, balance and free margin of 1000, every price is 10: `percent_equity` of 10 is 10
/// units. A follower's equity is at most doubled.
pub const SIZINGS: [Sizing; 10] = [
    sizing("multiplier", "k", [("1", Rate(1, 1)), ("2", Rate(2, 1))]),
    sizing("percent", "percent", [("50", Rate(1, 2)), ("150", Rate(3, 2))]),
    sizing("multiplier", "k", [("0.333333333333333333", Rate(1, 3)), ("0.7", Rate(7, 10))]),
    sizing("lots_multiplier", "k", [("2.5", Rate(5, 2)), ("1", Rate(1, 1))]),
    sizing("equity", "k", [("1.1", Rate(11, 10)), ("0.4", Rate(2, 5))]),
    sizing("balance", "k", [("0.6", Rate(3, 5)), ("1.2", Rate(6, 5))]),
    sizing("free_margin", "k", [("0.9", Rate(9, 10)), ("0.3", Rate(3, 10))]),
    sizing("notional", "k", [("1.5", Rate(3, 2)), ("1", Rate(1, 1))]),
    sizing("fixed", "lots", [("7", Amount(7)), ("9", Amount(9))]),
    sizing("percent_equity", "percent", [("10", Amount(10)), ("5", Amount(5))]),
];

impl std::fmt::Debug for Sizing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {} or {}", self.mode, self.key, self.values[0].0, self.values[1].0)
    }
}

impl Sizing {
    fn json(&self, version: usize) -> String {
        format!(r#"{{"mode":"{}","{}":"{}"}}"#, self.mode, self.key, self.values[version].0)
    }
}

/// One subscription of a history.
#[derive(Clone, Debug)]
pub struct Rule {
    pub leader: usize,
    pub follower: usize,
    pub sizing: Sizing,
    pub rounding: &'static str,
    pub reverse: bool,
    pub retry: bool,
    /// Opens are limit orders, immediate or cancel.
    pub limit: bool,
    /// It opens what its leader holds when it begins.
    pub joins: bool,
    pub max_order: Option<i64>,
    pub max_position: Option<i64>,
}

/// What is decided before a history begins. Contract size 1: units are lots.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Lot step: a broker may fill less than one.
    pub step: i64,
    /// Minimum lot.
    pub min: i64,
    /// Largest order that the venue takes.
    pub max: Option<i64>,
    /// The brokers reject what is below the minimum lot.
    pub strict: bool,
    /// Bound of each follower's position over all its subscriptions.
    pub follower_max: Option<i64>,
    /// The brokers tell positions, when they are asked and by themselves.
    pub positions: bool,
    /// The brokers take no market orders.
    pub limits_only: bool,
    /// The second leader's venue names orders by ClOrdID(11), which changes with every replace.
    pub by_client: bool,
    /// The last rule is added by a reload only.
    pub rules: Vec<Rule>,
}

/// What a reload changed; names are only ever added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Version {
    /// Every sizing has its second value.
    pub sizing: bool,
    /// No subscription has limits of its own.
    pub unbound: bool,
    /// Y is copied as well as X.
    pub symbol: bool,
    /// The last rule is there.
    pub last_rule: bool,
}

fn text(v: Option<i64>) -> String {
    v.map_or("null".to_owned(), |v| format!("\"{v}\""))
}

impl Setup {
    pub fn json(&self, v: Version) -> String {
        let listed = self.rules.len() - usize::from(!v.last_rule && self.rules.len() > 2);
        let subs: Vec<String> = (0..listed).map(|n| self.rules[n].json(n, v)).collect();
        let (mut leaders, mut routes, mut followers) = (vec![], vec![], vec![]);
        for n in 0..LEADERS {
            let profile = if n == 1 && self.by_client { "client" } else { "p" };
            leaders.push(format!(
                r#"{{"name":"l{n}","session":"L{n}","profile":"{profile}","symbols":{{"X":"X","Y":"Y"}},
                "assume_flat":true,"currency":"USD"}}"#
            ));
        }
        for n in 0..FOLLOWERS {
            routes.push(format!(r#"{{"name":"r{n}","session":"R{n}","profile":"broker"}}"#));
            followers.push(format!(
                r#"{{"name":"f{n}","route":"r{n}","account":"F","symbols":{{"X":"X","Y":"Y"}},"currency":"USD",
                "limits":{{"default":{{"max_position_lots":{}}}}}}}"#,
                text(self.follower_max)
            ));
        }
        let profile = r#""begin_string":"FIX.4.4","query_covers":"all""#;
        let asked = r#""supports":{"status_request":true}"#;
        let types = if self.limits_only { r#""limit""# } else { r#""market","limit""# };
        let broker = format!(
            r#""order_types":[{types}],"supports":{{"status_request":true,"positions":{}}}"#,
            self.positions
        );
        // Never reached: that the sums are exact is what is asked.
        let bound =
            r#""together":{"max_age_ms":60000,"limits":{"default":{"max_position_lots":"1000000000"}}},"#;
        let together = if self.limits_only { bound } else { "" };
        let lots = format!(
            r#""contract_size":"1","lot_step":"{}","min_lot":"{}","max_lot":{},"tick":"0.0001","currency":"USD""#,
            self.step,
            self.min,
            text(self.max)
        );
        format!(
            r#"{{"deployment":"t",{together}
            "profiles":[{{"name":"p",{profile},{asked}}},{{"name":"broker",{profile},{broker}}},
            {{"name":"client","order_key":"cl_ord_id",{profile},{asked}}}],
            "instruments":[{{"name":"X",{lots}}},{{"name":"Y",{lots}}}],
            "leaders":[{}],"routes":[{}],"followers":[{}],"subscriptions":[{}]}}"#,
            leaders.join(","),
            routes.join(","),
            followers.join(","),
            subs.join(",")
        )
    }
}

impl Rule {
    fn json(&self, n: usize, v: Version) -> String {
        let bound = |b: Option<i64>| text(b.filter(|_| !v.unbound));
        let map = if v.symbol {
            r#"{"X":{"instrument":"X"},"Y":{"instrument":"Y"}}"#
        } else {
            r#"{"X":{"instrument":"X"}}"#
        };
        format!(
            r#"{{"name":"s{n}","follower":"f{}","leader":"l{}","sizing":{},"max_ratio":"100","rounding":"{}","reverse":{},
            "joining":"{}",
            "order_type":"{}","max_slippage_bps":"50","on_reject":"{}","retry_window_ms":30000,"symbol_map":{map},
            "limits":{{"default":{{"max_order_qty_lots":{},"max_position_lots":{}}}}}}}"#,
            self.follower,
            self.leader,
            self.sizing.json(usize::from(v.sizing)),
            self.rounding,
            self.reverse,
            if self.joins { "target" } else { "flat" },
            if self.limit { "limit" } else { "market" },
            if self.retry { "retry" } else { "drop" },
            bound(self.max_order),
            bound(self.max_position)
        )
    }

    /// How often the most that a value is worth counts: the equity of a follower may be twice what it was.
    fn times(&self) -> i64 {
        if self.by_equity() { 2 } else { 1 }
    }

    fn by_equity(&self) -> bool {
        matches!(self.sizing.mode, "equity" | "balance" | "free_margin" | "percent_equity")
    }

    /// The most units that a leader's increase of `units`, in `orders` orders, is ever worth.
    pub fn worth(&self, units: i64, orders: i64) -> i64 {
        let one = |w: &(&str, Worth)| match w.1 {
            Rate(n, d) => (units * n * self.times() + d - 1) / d,
            Amount(a) => orders * a * self.times(),
        };
        self.sizing.values.iter().map(one).max().unwrap_or(0)
    }

    /// The units that one leader order opens at most, where the rule says so.
    pub fn amount(&self) -> Option<i64> {
        let one = |w: &(&str, Worth)| if let Amount(a) = w.1 { Some(a * self.times()) } else { None };
        self.sizing.values.iter().filter_map(one).max()
    }

    /// The ratio that an order is copied by, in thousandths, where it comes from account values.
    pub fn ratio(&self, equity: i64, v: Version) -> Option<i64> {
        let Rate(n, d) = self.sizing.values[usize::from(v.sizing)].1 else { return None };
        self.by_equity().then(|| n * equity / d)
    }
}
