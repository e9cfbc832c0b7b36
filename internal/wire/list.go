package wire

import (
	"strconv"

	"github.com/komstream/komstream/metric"
)

// Entry is one metric of a [Listing].
type Entry struct {
	// URI names the metric: local for the reader's own, otherwise with its owner.
	URI metric.URI
	// Kind is what the metric holds.
	Kind metric.Kind
	// Last is the time of the newest sample, by its time; zero where there is none.
	Last metric.TimeUUID
	// Value is the newest sample of a datapoint. It is zero for a datasource, whose texts may be large.
	Value metric.Value
	// Supplies is what was last said of a datasource by send_ds_info, nil where nothing was.
	Supplies []metric.URI
}

// Listing is a page of a data model, in the order of the bytes of the local URIs.
type Listing struct {
	Entries []Entry
	// More says that entries follow the last one.
	More bool
}

// Share lets a user read a URI and everything below it.
type Share struct {
	// URI is global.
	URI metric.URI
	// User is who may read, in lower case.
	User string
}

// Shares is a page of the shares that a user gave and got, in the order of the bytes of URI and user.
type Shares struct {
	Shares []Share
	// More says that shares follow the last one.
	More bool
}

// Logged is one message of a [Log].
type Logged struct {
	// Pos is its place in the owner's order of arrival.
	Pos uint64
	// At is when it arrived at the hub.
	At metric.TimeUUID
	// Seq is the sender's number of the message, zero where it was of another form.
	Seq Seq
	// Via names the impulses that the samples were derived by.
	Via []metric.Origin
	// Time is that of all the samples.
	Time metric.TimeUUID
	// Items are the samples as they were accepted, those that the reader may read.
	Items []RequestItem
}

// Log is a page of an owner's log of arrivals.
type Log struct {
	// Messages are in the order of arrival. Those of which the reader may read nothing are left out.
	Messages []Logged
	// Next is the position to go on behind.
	Next uint64
	// Complete is false where messages behind the position asked for are no longer kept.
	Complete bool
	// More says that there was more when the page was made.
	More bool
}

// Missed says which notifications of one metric an agent was not sent.
type Missed struct {
	// URI names the metric as notifications do.
	URI metric.URI
	// First and Last are the least and the greatest time of the samples.
	First, Last metric.TimeUUID
	// From and To are the positions of the first and the last message.
	From, To uint64
	// Count is the number of samples.
	Count uint64
}

// List writes an answer, or a message, that is a list, item by item, for a hub that cuts it by bytes. Make it with
// [BeginList].
type List struct {
	b     []byte
	from  int // where the frame begins in b
	items int
	limit int
}

// listNames are the keys under which the lists stand.
var listNames = map[Action]string{
	ActionListURIs: "uris", ActionListShares: "shares", ActionSince: "messages", ActionMissedData: "uris",
}

// BeginList appends a list up to its first item. The action is [ActionListURIs], [ActionListShares], [ActionSince]
// or [ActionMissedData], and decides which items it takes and which method ends it. Limit bounds the frame in bytes;
// the first item goes in whatever its size.
func BeginList(b []byte, action Action, seq, irt Seq, limit int) List {
	l := List{from: len(b), limit: limit}
	b = append(appendHead(b, action, seq, irt, nil, 0), '"')
	l.b = append(append(b, listNames[action]...), `": [`...)
	return l
}

// Len returns the number of items.
func (l *List) Len() int { return l.items }

// listTail is more than what any End method appends.
const listTail = 128

// begin appends what comes before an item.
func (l *List) begin() (before int) {
	before = len(l.b)
	if l.items > 0 {
		l.b = append(l.b, ", "...)
	}
	return before
}

// end keeps the item that was appended since begin, or takes it away where it is too much.
func (l *List) end(before int) bool {
	if l.items > 0 && len(l.b)-l.from+listTail > l.limit {
		l.b = l.b[:before]
		return false
	}
	l.items++
	return true
}

// Entry appends an entry of list_uris. It returns false, and appends nothing, where the frame would grow beyond its
// limit; so do the methods below.
func (l *List) Entry(e *Entry) bool {
	before := l.begin()
	b := append(append(append(l.b, `{"uri": "`...), e.URI...), `", "type": "`...)
	b = SeqOf(e.Last).appendJSON(append(append(b, byte(e.Kind)), `", "t": `...))
	b = append(b, `, "content": `...)
	if e.Value.Kind() == metric.KindDatapoint {
		b = appendValue(b, &e.Value)
	} else {
		b = append(b, "null"...)
	}
	l.b = append(appendSupplies(append(b, `, "supplies": `...), e.Supplies), '}')
	return l.end(before)
}

// Share appends a share of list_shares.
func (l *List) Share(s Share) bool {
	before := l.begin()
	l.b = appendShare(l.b, s)
	return l.end(before)
}

func appendShare(b []byte, s Share) []byte {
	b = append(append(append(b, `{"uri": "`...), s.URI...), `", "user": "`...)
	return append(append(b, s.User...), `"}`...)
}

// Message appends a message of since. Its items have local URIs; owner is put before them, "" for the owner's own
// agents.
func (l *List) Message(m *Logged, owner string) bool {
	before := l.begin()
	b := strconv.AppendUint(append(l.b, `{"pos": `...), m.Pos, 10)
	b = appendTime(append(b, `, "at": `...), m.At)
	b = appendVia(m.Seq.appendJSON(append(b, `, "seq": `...)), m.Via)
	b = append(appendTime(append(b, `, "t": `...), m.Time), `, "uris": [`...)
	for i := range m.Items {
		b = appendItem(b, i == 0, owner, m.Items[i].URI, &m.Items[i].Value)
	}
	l.b = append(b, "]}"...)
	return l.end(before)
}

// Missed appends a metric of missed_data.
func (l *List) Missed(m *Missed) bool {
	before := l.begin()
	b := append(append(append(l.b, `{"uri": "`...), m.URI...), `", "first": `...)
	b = appendTime(append(appendTime(b, m.First), `, "last": `...), m.Last)
	b = strconv.AppendUint(append(b, `, "from": `...), m.From, 10)
	b = strconv.AppendUint(append(b, `, "to": `...), m.To, 10)
	l.b = append(strconv.AppendUint(append(b, `, "count": `...), m.Count, 10), '}')
	return l.end(before)
}

// End returns the buffer with a whole missed_data.
func (l *List) End() []byte { return append(l.b, "]}}"...) }

// EndMore returns the buffer with a whole list_uris or list_shares.
func (l *List) EndMore(more bool) []byte {
	return append(strconv.AppendBool(append(l.b, `], "more": `...), more), "}}"...)
}

// EndLog returns the buffer with a whole since.
func (l *List) EndLog(next uint64, complete, more bool) []byte {
	b := strconv.AppendUint(append(l.b, `], "next": `...), next, 10)
	b = strconv.AppendBool(append(b, `, "complete": `...), complete)
	return append(strconv.AppendBool(append(b, `, "more": `...), more), "}}"...)
}

// decodeList reads the payload of a list into m.
func (d *Decoder) decodeList(m *Message, payload []byte) (fault *InvalidError) {
	var list, more, next, complete []byte
	for name, value := range members(payload) {
		switch string(name) {
		case listNames[m.Action]:
			list = value
		case "more":
			more = value
		case "next":
			next = value
		case "complete":
			complete = value
		}
	}
	if !isArray(list) {
		return invalid(listNames[m.Action], list, "must be a list")
	}
	switch m.Action {
	case ActionMissedData:
		m.Missed, fault = decodeAll(list, d.decodeMissed)
		return fault.within("uris")
	case ActionListURIs:
		m.Listing = &Listing{}
		if m.Listing.Entries, fault = decodeAll(list, d.decodeEntry); fault == nil {
			m.Listing.More, fault = boolean("more", more)
			return fault
		}
	case ActionListShares:
		m.Shares = &Shares{}
		if m.Shares.Shares, fault = decodeAll(list, d.decodeShare); fault == nil {
			m.Shares.More, fault = boolean("more", more)
			return fault
		}
	case ActionSince:
		m.Log = &Log{}
		if m.Log.Messages, fault = decodeAll(list, d.decodeLogged); fault == nil {
			return m.Log.decodeEnd(next, complete, more)
		}
	}
	return fault.within(listNames[m.Action])
}

func (l *Log) decodeEnd(next, complete, more []byte) (fault *InvalidError) {
	if l.Next, fault = position("next", next); fault != nil {
		return fault
	}
	if l.Complete, fault = boolean("complete", complete); fault != nil {
		return fault
	}
	l.More, fault = boolean("more", more)
	return fault
}

// decodeAll decodes each element of a list.
func decodeAll[T any](list []byte, decode func(value []byte) (T, *InvalidError)) (all []T, fault *InvalidError) {
	for i, value := range elements(list) {
		var item T
		if !isObject(value) {
			fault = invalid("", value, "must be an object")
		} else {
			item, fault = decode(value)
		}
		if fault != nil {
			return nil, fault.within("[" + strconv.Itoa(i) + "]")
		}
		all = append(all, item)
	}
	return all, nil
}

func (d *Decoder) decodeEntry(object []byte) (e Entry, fault *InvalidError) {
	f := openFields(object)
	uri, fault := d.decodeURI(".uri", f.uri)
	if fault != nil {
		return e, fault
	}
	e.URI = metric.URI(uri) // a copy
	if e.Kind, fault = decodeKind(".type", f.kind); fault != nil {
		return e, fault
	}
	if !isNull(f.t) {
		if e.Last, fault = timeUUID(".t", f.t); fault != nil {
			return e, fault
		}
	}
	if f.content == nil {
		return e, invalid(".content", nil, "")
	}
	if !isNull(f.content) {
		text, fault := d.decodeContent(".content", f.content, e.Kind)
		if fault != nil {
			return e, fault
		}
		e.Value, _ = parseValue(e.Kind, string(text)) // checked by decodeContent
	}
	e.Supplies, fault = decodeSupplies(f.supplies)
	return e, fault.within(".")
}

// boolean reads true or false.
func boolean(field string, value []byte) (bool, *InvalidError) {
	if s := string(value); s != "true" && s != "false" {
		return false, invalid(field, value, "must be true or false")
	}
	return value[0] == 't', nil
}

// position reads a place in an order of arrival, or 0 for before the first.
func position(field string, value []byte) (uint64, *InvalidError) {
	n, ok := integer(value, 1<<63-1)
	if !ok {
		return 0, invalid(field, value, "must be an integer from 0 to 9223372036854775807")
	}
	return n, nil
}

func decodeUser(field string, value []byte) (string, *InvalidError) {
	text, _ := unquote(value)
	if text == nil {
		return "", invalid(field, value, "must be a string")
	}
	name, err := metric.ParseUsername(string(text))
	if err != nil {
		return "", invalidMetric(field, value, err)
	}
	return name, nil
}

func (d *Decoder) decodeShare(object []byte) (s Share, fault *InvalidError) {
	var uri, user []byte
	for name, value := range members(object) {
		switch string(name) {
		case "uri":
			uri = value
		case "user":
			user = value
		}
	}
	text, fault := d.decodeURI(".uri", uri)
	if fault != nil {
		return s, fault
	}
	if s.URI = metric.URI(text); s.URI.IsLocal() {
		return s, invalid(".uri", uri, "must name its owner")
	}
	s.User, fault = decodeUser(".user", user)
	return s, fault
}

func (d *Decoder) decodeLogged(object []byte) (m Logged, fault *InvalidError) {
	var pos, at, seq, via, uris, t []byte
	for name, value := range members(object) {
		switch string(name) {
		case "pos":
			pos = value
		case "at":
			at = value
		case "seq":
			seq = value
		case "via":
			via = value
		case "t":
			t = value
		case "uris":
			uris = value
		}
	}
	if m.Pos, fault = position(".pos", pos); fault != nil {
		return m, fault
	}
	if m.At, fault = timeUUID(".at", at); fault != nil {
		return m, fault
	}
	if m.Seq, fault = nullableSeq(".seq", seq); fault != nil {
		return m, fault
	}
	d.via = d.via[:0]
	d.note.Via = nil
	if fault = d.decodeVia(via); fault != nil {
		return m, fault.within(".")
	}
	m.Via = append(m.Via, d.note.Via...)
	if m.Time, fault = timeUUID(".t", t); fault != nil {
		return m, fault
	}
	d.note.Items = d.note.Items[:0]
	if fault = d.decodeItems(uris); fault != nil {
		return m, fault.within(".")
	}
	for i, v := range d.note.Values(nil) {
		m.Items = append(m.Items, RequestItem{URI: metric.URI(d.note.Items[i].URI), Kind: v.Kind(), Value: v})
	}
	return m, nil
}

func (d *Decoder) decodeMissed(object []byte) (m Missed, fault *InvalidError) {
	var uri, first, last, from, to, count []byte
	for name, value := range members(object) {
		switch string(name) {
		case "uri":
			uri = value
		case "first":
			first = value
		case "last":
			last = value
		case "from":
			from = value
		case "to":
			to = value
		case "count":
			count = value
		}
	}
	text, fault := d.decodeURI(".uri", uri)
	if fault != nil {
		return m, fault
	}
	m.URI = metric.URI(text)
	if m.First, fault = timeUUID(".first", first); fault != nil {
		return m, fault
	}
	if m.Last, fault = timeUUID(".last", last); fault != nil {
		return m, fault
	}
	if m.From, fault = position(".from", from); fault != nil {
		return m, fault
	}
	if m.To, fault = position(".to", to); fault != nil {
		return m, fault
	}
	m.Count, fault = position(".count", count)
	return m, fault
}
