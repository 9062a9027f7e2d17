//! A venue profile: everything one venue does in its own way, as data.
//!
//! Python reads the TOML in `fix_specs/profiles/` and hands it over as JSON. Adding a broker means adding a profile,
//! not code. Every field has a default that follows the standard; a profile names what differs.

use serde::{Deserialize, Serialize};

/// What one unit of OrderQty(38) is.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuantityUnit {
    /// Units of the base asset: 1000 is 1000 euros.
    #[default]
    Units,
    /// Lots: 1 is one contract size.
    Lots,
    /// Exchange contracts.
    Contracts,
}

/// Where the account is named.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountField {
    /// Account(1).
    #[default]
    Tag1,
    /// PartyID(448) of the party with this PartyRole(452).
    Party(u32),
    /// The venue's TargetCompID(56), which is our own CompID: one account per session.
    CompId,
    /// Nowhere: one account per session, named in the configuration.
    None,
}

/// Whether one symbol can hold several positions.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PositionModel {
    /// One signed position per symbol.
    #[default]
    Netting,
    /// Several, each with an id.
    Hedging,
}

/// Which reports of a multi-leg trade count: N legs give N + 1 reports.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Multileg {
    /// The strategy's own report (442 = 1 or 3).
    #[default]
    Summary,
    /// The legs' (442 = 1 or 2).
    Legs,
}

/// How the venue takes a fill back.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BustStyle {
    /// ExecType(150) = H and G.
    #[default]
    ExecType,
    /// ExecTransType(20) = 1 and 2, before FIX 4.3.
    ExecTransType,
}

/// What a bust does to CumQty(14).
#[derive(Copy, Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BustCum {
    /// It is reduced by the busted quantity.
    #[default]
    Reduced,
    /// It stays, or shows something else.
    Kept,
}

/// Whether ExecTransType(20) says what it should.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExecTransType {
    /// 1 is a bust, 2 a correction, 3 a status.
    #[default]
    Trust,
    /// Some venues put 3 on every real fill.
    Ignore,
}

/// What tells two fills of an order apart.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FillKey {
    /// ExecID(17), with OrderID, ExecType and quantities.
    #[default]
    ExecId,
    /// OrderID(37), CumQty(14) and TransactTime(60), where there is no ExecID.
    OrderCumTime,
}

/// Which quantity says what was filled.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FillQty {
    /// The growth of CumQty(14).
    #[default]
    CumDelta,
    /// LastQty(32), where CumQty is not to be trusted.
    LastQty,
}

/// What identifies an order at this venue.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderKey {
    /// OrderID(37).
    #[default]
    OrderId,
    /// ClOrdID(11).
    ClOrdId,
}

/// Which price is the fill's.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FillPx {
    /// LastPx(31).
    #[default]
    Last,
    /// AvgPx(6).
    Avg,
}

/// The clock that tells how old a report's content is.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeSource {
    /// TransactTime(60).
    #[default]
    TransactTime,
    /// SendingTime(52): only where nothing is ever resent.
    SendingTime,
    /// No clock: opens are refused.
    None,
}

/// How missed reports come back.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recovery {
    /// By ResendRequest(2).
    #[default]
    Resend,
    /// Not at all, sequence numbers restart at logon: ask for orders and positions.
    None,
    /// Sent again with new numbers; a News(B) marks the end.
    ResendMarker,
}

/// What a mass status answer covers.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueryCovers {
    /// Working orders: an absent order may be filled, cancelled or unknown.
    #[default]
    Working,
    /// Every order of the day.
    All,
}

/// Fraction digits of the times we send.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimePrecision {
    /// None.
    S,
    /// Three.
    #[default]
    Ms,
    /// Six.
    Us,
}

/// OrdType(40).
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderType {
    /// 1.
    Market,
    /// 2.
    Limit,
    /// 3.
    Stop,
    /// 4.
    StopLimit,
}

impl OrderType {
    /// The character of OrdType(40).
    #[must_use]
    pub const fn char(self) -> u8 {
        match self {
            OrderType::Market => b'1',
            OrderType::Limit => b'2',
            OrderType::Stop => b'3',
            OrderType::StopLimit => b'4',
        }
    }

    /// It waits for a worse price than the market's.
    #[must_use]
    pub const fn is_stop(self) -> bool {
        matches!(self, OrderType::Stop | OrderType::StopLimit)
    }
}

impl Tif {
    /// The character of TimeInForce(59).
    #[must_use]
    pub const fn char(self) -> u8 {
        match self {
            Tif::Day => b'0',
            Tif::Gtc => b'1',
            Tif::Ioc => b'3',
            Tif::Fok => b'4',
            Tif::Gtd => b'6',
        }
    }
}

/// TimeInForce(59).
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tif {
    /// 0.
    Day,
    /// 1.
    Gtc,
    /// 3.
    Ioc,
    /// 4.
    Fok,
    /// 6.
    Gtd,
}

/// The characters a ClOrdID may have.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Charset {
    /// Digits only.
    Digits,
    /// Letters and digits.
    #[default]
    Alnum,
    /// Any printable ASCII.
    Printable,
}

/// The venue's rule for ClOrdID(11).
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClOrdIdRule {
    /// Longest id, characters.
    pub max_len: usize,
    /// Allowed characters.
    pub charset: Charset,
}

impl Default for ClOrdIdRule {
    fn default() -> Self {
        Self { max_len: 20, charset: Charset::Alnum }
    }
}

/// Which requests the venue answers.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(clippy::struct_excessive_bools)] // one flag per message type, as the profile's file has them
pub struct Supports {
    /// OrderStatusRequest(H).
    pub status_request: bool,
    /// OrderMassStatusRequest(AF).
    pub mass_status: bool,
    /// RequestForPositions(AN).
    pub positions: bool,
    /// CollateralInquiry(BB), answered by a CollateralReport(BA).
    pub account_inquiry: bool,
    /// PossResend(97) on our orders: known ones are answered, not executed again.
    pub poss_resend: bool,
    /// Working orders are cancelled when the session drops.
    pub cancel_on_disconnect: bool,
    /// OrderCancelReplaceRequest(G) changes a working order.
    pub replace: bool,
}

/// Tags of the account values in a CollateralReport(BA); 0 where the venue has none.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AccountValues {
    /// Cash without open profit.
    pub balance: u32,
    /// Cash with open profit.
    pub equity: u32,
    /// What is left to open positions with.
    pub free_margin: u32,
    /// The currency of all of them.
    pub currency: u32,
}

impl Default for AccountValues {
    fn default() -> Self {
        Self { balance: 901, equity: 900, free_margin: 899, currency: 15 }
    }
}

/// One venue's dialect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// The name that leaders and routes refer to.
    pub name: String,
    /// BeginString(8).
    pub begin_string: String,
    /// DefaultApplVerID(1137), with FIXT.1.1.
    #[serde(default)]
    pub appl_ver_id: Option<String>,
    /// What one unit of quantity is. Nothing guesses it.
    #[serde(default)]
    pub quantity_unit: QuantityUnit,
    /// Where reports name the account.
    #[serde(default)]
    pub account_field: AccountField,
    /// Whether our orders carry Account(1).
    #[serde(default = "yes")]
    pub account_on_order: bool,
    /// One position per symbol, or several.
    #[serde(default)]
    pub position_model: PositionModel,
    /// The tag of a position's id.
    #[serde(default = "position_id_tag")]
    pub position_id_tag: u32,
    /// The tag that names the position that an order closes, where it is another one than in reports.
    #[serde(default)]
    pub close_position_id_tag: Option<u32>,
    /// Which reports of a multi-leg trade count.
    #[serde(default)]
    pub multileg: Multileg,
    /// How fills are taken back.
    #[serde(default)]
    pub bust_style: BustStyle,
    /// What a bust does to CumQty.
    #[serde(default)]
    pub bust_cum: BustCum,
    /// Whether ExecTransType is believed.
    #[serde(default)]
    pub exec_trans_type: ExecTransType,
    /// What tells fills apart.
    #[serde(default)]
    pub fill_key: FillKey,
    /// Which quantity is the fill's.
    #[serde(default)]
    pub fill_qty: FillQty,
    /// What identifies an order.
    #[serde(default)]
    pub order_key: OrderKey,
    /// Which price is the fill's.
    #[serde(default)]
    pub fill_px: FillPx,
    /// The clock of a report.
    #[serde(default)]
    pub time_source: TimeSource,
    /// How missed reports come back.
    #[serde(default)]
    pub recovery: Recovery,
    /// What a mass status covers.
    #[serde(default)]
    pub query_covers: QueryCovers,
    /// What Text(58) of a BusinessMessageReject(j) begins with that says that no order is there.
    #[serde(default)]
    pub no_orders_text: Option<String>,
    /// Tag and value that keep a close from opening the other way.
    #[serde(default)]
    pub reduce_only: Option<(u32, String)>,
    /// Which requests are answered.
    #[serde(default)]
    pub supports: Supports,
    /// The rule for our order ids.
    #[serde(default)]
    pub cl_ord_id: ClOrdIdRule,
    /// Accepted order types.
    #[serde(default = "order_types")]
    pub order_types: Vec<OrderType>,
    /// Accepted times in force.
    #[serde(default = "tifs")]
    pub tifs: Vec<Tif>,
    /// Constants on every order.
    #[serde(default)]
    pub extra_fields: Vec<(u32, String)>,
    /// The tag that names the instrument.
    #[serde(default = "symbol_tag")]
    pub symbol_tag: u32,
    /// Where account values are.
    #[serde(default)]
    pub account_values: AccountValues,
    /// Whether reports marked as drop copies are meant for us.
    #[serde(default)]
    pub drop_copy: bool,
    /// Fraction digits of the times we send.
    #[serde(default)]
    pub time_precision: TimePrecision,
    /// Whether orders need HandlInst(21) = 1, required up to FIX 4.2.
    #[serde(default)]
    pub handl_inst_21: bool,
    /// The venue's limit on our messages, if it has one.
    #[serde(default)]
    pub messages_per_s: Option<u32>,
}

const fn yes() -> bool {
    true
}

const fn position_id_tag() -> u32 {
    721
}

const fn symbol_tag() -> u32 {
    55
}

fn order_types() -> Vec<OrderType> {
    vec![OrderType::Market, OrderType::Limit]
}

fn tifs() -> Vec<Tif> {
    vec![Tif::Day, Tif::Gtc, Tif::Ioc]
}

impl Profile {
    /// Positions of one symbol stand side by side, and an order closes one of them only where it names it.
    #[must_use]
    pub fn hedges(&self) -> bool {
        self.position_model == PositionModel::Hedging
    }

    /// The tag that names the position that an order closes; none where an order the other way closes by itself.
    #[must_use]
    pub fn closes_by_name(&self) -> Option<u32> {
        self.hedges().then(|| self.close_position_id_tag.unwrap_or(self.position_id_tag))
    }

    /// Closes are limit orders that fill at once or not at all: the venue takes these, and no market orders.
    #[must_use]
    pub fn closes_by_limit(&self) -> bool {
        let takes = |t| self.order_types.contains(&t);
        let at_once = self.tifs.contains(&Tif::Ioc) || self.tifs.contains(&Tif::Fok);
        takes(OrderType::Limit) && !takes(OrderType::Market) && at_once
    }

    /// TimeInForce(59) of our limit orders: immediate or cancel, or fill or kill where the venue takes only that.
    #[must_use]
    pub fn limit_tif(&self) -> u8 {
        let kill = self.tifs.contains(&Tif::Fok) && !self.tifs.contains(&Tif::Ioc);
        if kill { b'4' } else { b'3' }
    }

    /// A profile that follows the standard in everything.
    #[must_use]
    pub fn standard(name: &str, begin_string: &str) -> Self {
        Self {
            name: name.to_owned(),
            begin_string: begin_string.to_owned(),
            appl_ver_id: None,
            quantity_unit: QuantityUnit::default(),
            account_field: AccountField::default(),
            account_on_order: yes(),
            position_model: PositionModel::default(),
            position_id_tag: position_id_tag(),
            close_position_id_tag: None,
            multileg: Multileg::default(),
            bust_style: BustStyle::default(),
            bust_cum: BustCum::default(),
            exec_trans_type: ExecTransType::default(),
            fill_key: FillKey::default(),
            fill_qty: FillQty::default(),
            order_key: OrderKey::default(),
            fill_px: FillPx::default(),
            time_source: TimeSource::default(),
            recovery: Recovery::default(),
            query_covers: QueryCovers::default(),
            no_orders_text: None,
            reduce_only: None,
            supports: Supports::default(),
            cl_ord_id: ClOrdIdRule::default(),
            order_types: order_types(),
            tifs: tifs(),
            extra_fields: Vec::new(),
            symbol_tag: symbol_tag(),
            account_values: AccountValues::default(),
            drop_copy: false,
            time_precision: TimePrecision::default(),
            handl_inst_21: false,
            messages_per_s: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The defaults of the JSON form and of `standard` are the same profile.
    #[test]
    fn a_bare_profile_follows_the_standard() {
        let bare: Profile = serde_json::from_str(r#"{"name":"x","begin_string":"FIX.4.4"}"#).unwrap();
        assert_eq!(bare, Profile::standard("x", "FIX.4.4"));
        let text = serde_json::to_string(&bare).unwrap();
        assert_eq!(serde_json::from_str::<Profile>(&text).unwrap(), bare);
    }

    /// A misspelt key is an error, not a default.
    #[test]
    fn unknown_keys_are_errors() {
        for extra in [r#""fil_qty":"last_qty""#, r#""supports":{"mass":true}"#, r#""fill_qty":"guess""#] {
            let text = format!(r#"{{"name":"x","begin_string":"FIX.4.4",{extra}}}"#);
            assert!(serde_json::from_str::<Profile>(&text).is_err(), "{extra}");
        }
    }

    /// The forms that a profile file uses for pairs and parties.
    #[test]
    fn pairs_and_parties_are_read() {
        let text = r#"{"name":"x","begin_string":"FIX.4.4","account_field":{"party":24},"reduce_only":[77,"C"],
            "extra_fields":[[1028,"N"]]}"#;
        let p: Profile = serde_json::from_str(text).unwrap();
        assert_eq!(p.account_field, AccountField::Party(24));
        assert_eq!(p.reduce_only, Some((77, "C".to_owned())));
        assert_eq!(p.extra_fields, [(1028, "N".to_owned())]);
    }
}
