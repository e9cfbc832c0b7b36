package wire

import (
	"bytes"
	"strconv"
	"unicode/utf8"

	"github.com/komstream/komstream/metric"
)

// Request is what an agent asks of a hub. It belongs to the [Decoder] and is valid until it decodes the next frame.
// Its strings share one copy of the frame: clone what is to live longer than the request.
type Request struct {
	// V is the version of the protocol, 1.
	V int
	// Action says which of the fields below are set.
	Action Action
	// Seq is the message's sequence, never zero; the answer echoes it.
	Seq Seq
	// Irt is the message that caused a send, zero for none.
	Irt Seq
	// Via names the impulses that samples were derived by; at most [MaxVia].
	Via []metric.Origin
	// URI names the metric; not set with send_multi_data. As the agent spelled it: see [metric.URI.For].
	URI metric.URI
	// Kind is the kind that the action implies for a single send, and the type that delete_uri names, 0 for none.
	Kind metric.Kind
	// Time is the time of all samples of a send.
	Time metric.TimeUUID
	// Value is the content of a single send.
	Value metric.Value
	// Items are the samples of send_multi_data: all texts, then all numbers, each group in the order of the message.
	// With send_batch they are those of all Sends, one after the other.
	Items []RequestItem
	// Sends are the parts of send_batch, in the order of the message.
	Sends []RequestSend
	// Supplies are the local URIs of send_ds_info, as they came; nil where the agent wrote null.
	Supplies []metric.URI
	// Start and End bound request_data, as they came, perhaps reversed; nil where open.
	Start, End *metric.TimeUUID
	// Count is the number of rows that request_data asks for, nil where it does not say. What no int holds is MaxInt.
	Count *int
	// User is whom share and unshare are about, and whose log since reads, in lower case; "" with since is the agent's
	// own user.
	User string
	// After is the entry behind which list_uris and list_shares go on; "" is from the beginning. AfterUser belongs to
	// it with list_shares.
	After     metric.URI
	AfterUser string
	// Position is that behind which since reads.
	Position uint64
	// Limit is how many entries a page may have at most, 0 where the agent leaves that to the hub.
	Limit int
}

// RequestSend is a part of send_batch: the samples of one time, like those of one send_multi_data.
type RequestSend struct {
	// Time is the time of all the samples.
	Time metric.TimeUUID
	// Items are the samples: all texts, then all numbers, each group in the order of the message.
	Items []RequestItem
}

// RequestItem is one sample of send_multi_data.
type RequestItem struct {
	// URI names the metric, as the agent spelled it.
	URI metric.URI
	// Kind is the type that the message gives. The type of a metric that exists prevails.
	Kind metric.Kind
	// Value is the content, valid for Kind.
	Value metric.Value
}

// Refusal is the answer to a frame that is no proper request.
type Refusal struct {
	// Close means that the frame gets no answer: the connection is to be closed.
	Close bool
	// CloseCode is the status of that close, 0 for a close frame without one.
	CloseCode int
	// Status and Code are the answer's status and error.
	Status, Code int
	// Reason is the answer's reason, never empty: the protocol's text and mostly a detail behind it.
	Reason string
	// V is the version to answer with: the digits of the one received, "0" where that was none.
	V string
	// Irt is the sequence of the refused message, zero where it has none.
	Irt Seq
	// Action is what the message asks, 0 where that is not known.
	Action Action
}

// closeInvalidText is the status of a websocket that closes on a text that is not UTF-8.
const closeInvalidText = 1007

// maxVersionDigits bounds the version that is echoed, as Python bounds its integers.
const maxVersionDigits = 4300

// needNewer follows the reason where a frame has the shape of agents before 0.8.
const needNewer = "; agent 0.8 or later is needed (this is the dialect of an earlier one)"

// DecodeRequest decodes a frame that an agent sent. Exactly one of the results is not nil.
func (d *Decoder) DecodeRequest(frame []byte) (*Request, *Refusal) {
	frame = append(make([]byte, 0, len(frame)), frame...)
	d.resetRequest()
	if d.scanMulti(frame) {
		return d.requestMulti()
	}
	d.resetRequest()
	if d.scanNumber(frame) {
		return d.requestNumber()
	}
	d.resetRequest()
	return d.decodeAnyRequest(frame)
}

func (d *Decoder) resetRequest() {
	d.Release()
	d.freezing = true
}

// Release forgets the last frame, which the decoder otherwise keeps in memory until the next one. A hub calls it
// when it is done with a request, so that an idle session does not hold its last megabytes. What was returned for
// the frame is no longer valid.
func (d *Decoder) Release() {
	clear(d.note.Items)
	clear(d.spare)
	clear(d.request.Items)
	clear(d.request.Sends)
	d.request = Request{Items: d.request.Items[:0], Sends: d.request.Sends[:0]}
	d.reset()
}

func (d *Decoder) requestMulti() (*Request, *Refusal) {
	r := &d.request
	*r = Request{V: 1, Action: ActionSendMultiData, Seq: d.seq, Irt: d.irt, Via: d.note.Via, Time: d.note.Time,
		Items: r.Items, Sends: r.Sends}
	d.takeItems()
	return r, nil
}

// takeItems appends the items of d.note to those of the request.
func (d *Decoder) takeItems() {
	r := &d.request
	for i := range d.note.Items {
		item := &d.note.Items[i]
		v, _ := parseValue(item.Kind, freeze(item.Content)) // checked by who filled d.note
		r.Items = append(r.Items, RequestItem{URI: metric.URI(freeze(item.URI)), Kind: item.Kind, Value: v})
	}
}

func (d *Decoder) requestNumber() (*Request, *Refusal) {
	item := &d.note.Items[0]
	v, _ := metric.ParseNumber(freeze(item.Content)) // checked by the scanner
	d.request = Request{V: 1, Action: ActionSendDpData, Seq: d.seq, Irt: d.irt, Via: d.note.Via, Time: d.note.Time,
		URI: metric.URI(freeze(item.URI)), Kind: metric.KindDatapoint, Value: v, Items: d.request.Items,
		Sends: d.request.Sends}
	return &d.request, nil
}

// decodeAnyRequest is DecodeRequest without the scanner. The frame is d's own.
func (d *Decoder) decodeAnyRequest(frame []byte) (*Request, *Refusal) {
	if !utf8.Valid(frame) {
		return nil, &Refusal{Close: true, CloseCode: closeInvalidText, Reason: "the frame is not UTF-8"}
	}
	object := parse(frame)
	if object == nil {
		return nil, &Refusal{Close: true, Reason: "the frame is not JSON"}
	}
	if !isObject(object) {
		return nil, malformed("0", Seq{}, invalid("message", object, "must be an object"))
	}
	e := openEnvelope(object)
	if refusal := d.openRequest(&e); refusal != nil {
		return nil, refusal
	}
	r := &d.request
	offset, fault := d.loadRequest(&e)
	if fault != nil {
		return nil, d.refuse(offset, fault)
	}
	if d.longOwner {
		return nil, &Refusal{Status: StatusExecution, Code: CodeUsernameTooLong, V: "1", Irt: r.Seq,
			Reason: "msg exec error: the owner's name must be at most 256 bytes"}
	}
	return r, nil
}

// openRequest makes the checks that all requests share and fills in what it finds: version, action, sequence.
func (d *Decoder) openRequest(e *envelope) *Refusal {
	version, isVersion := digits(e.v)
	isVersion = isVersion && len(version) <= maxVersionDigits
	v := "0"
	if isVersion {
		v = string(version)
	}
	name, _ := unquote(e.action)
	seq, seqFault := requestSeq("seq", e.seq)
	switch {
	case !isVersion:
		return malformed(v, seq, invalid("v", e.v, "must be an integer of 0 or more"))
	case name == nil:
		return malformed(v, seq, invalid("action", e.action, "must be a string"))
	case seqFault != nil:
		r := malformed(v, seq, seqFault)
		if e.seq == nil && e.irt == nil {
			r.Reason += needNewer
		}
		return r
	case v != "1":
		return &Refusal{Status: StatusProtocol, Code: CodeVersion, V: v, Irt: seq,
			Reason: "Unsupported protocol version: " + invalid("v", e.v, "must be 1").detail()}
	}
	action := parseAction(name)
	if action.Code() == 0 {
		return &Refusal{Status: StatusProtocol, Code: CodeUnsupportedAction, V: v, Irt: seq,
			Reason: "unsupported action: " + invalid("action", e.action, "must be a request of the protocol").detail()}
	}
	d.request.V, d.request.Action, d.request.Seq = 1, action, seq
	return nil
}

func malformed(v string, seq Seq, fault *InvalidError) *Refusal {
	return &Refusal{Status: StatusProtocol, Code: CodeMalformed, V: v, Irt: seq,
		Reason: "Malformed message: " + fault.detail()}
}

// refuse returns the refusal of d.request. The offset is from the codes of its action, or a code of its own.
func (d *Decoder) refuse(offset int, fault *InvalidError) *Refusal {
	if offset <= faultLoad {
		offset += d.request.Action.Code()
	}
	return &Refusal{Status: StatusProtocol, Code: offset, V: "1", Irt: d.request.Seq, Action: d.request.Action,
		Reason: "protocol error: " + fault.detail()}
}

// requestSeq reads the sequence of a request, which may be the short one of agent 0.8.
func requestSeq(field string, value []byte) (Seq, *InvalidError) {
	if text, _ := unquote(value); len(text) == shortSeq {
		if s, ok := parseShortSeq(string(text)); ok {
			return s, nil
		}
	}
	t, fault := timeUUID(field, value)
	return Seq{id: t}, fault
}

// loadRequest reads the rest of the envelope and the payload. The offset says what is wrong where fault is not nil.
func (d *Decoder) loadRequest(e *envelope) (offset int, fault *InvalidError) {
	r := &d.request
	if !isNull(e.irt) {
		if r.Irt, fault = requestSeq("irt", e.irt); fault != nil {
			return faultLoad, fault
		}
	}
	if !isObject(e.payload) {
		return faultLoad, invalid("payload", e.payload, "must be an object")
	}
	if fault = d.decodeVia(e.via); fault != nil {
		return faultLoad, fault
	}
	r.Via = d.note.Via
	switch r.Action {
	case ActionSendMultiData:
		offset, fault = d.loadMulti(e.payload)
	case ActionSendDsData, ActionSendDpData:
		offset, fault = d.loadSend(e.payload)
	case ActionSendDsInfo:
		offset, fault = d.loadInfo(e.payload)
	case ActionRequestData:
		offset, fault = d.loadData(e.payload)
	case ActionDeleteURI:
		offset, fault = d.loadDelete(e.payload)
	case ActionSendBatch:
		offset, fault = d.loadBatch(e.payload)
	case ActionListURIs:
		offset, fault = d.loadList(e.payload)
	case ActionShare, ActionUnshare:
		offset, fault = d.loadShare(e.payload)
	case ActionListShares:
		offset, fault = d.loadListShares(e.payload)
	case ActionSince:
		offset, fault = d.loadSince(e.payload)
	default:
		offset, fault = d.loadURI(e.payload)
	}
	return offset, fault.within("payload.")
}

func (d *Decoder) loadMulti(payload []byte) (offset int, fault *InvalidError) {
	t, uris, legacy := openMulti(payload)
	if d.note.Time, fault = timeUUID("t", t); fault != nil {
		return faultLoad, hint(fault, t == nil && legacy)
	}
	if uris == nil {
		return faultLoad, invalid("uris", nil, "")
	}
	if fault = d.decodeItems(uris); fault != nil {
		return faultURI, fault
	}
	d.seq, d.irt = d.request.Seq, d.request.Irt
	d.requestMulti()
	return 0, nil
}

// hint adds which agent is needed to a fault that comes of an older dialect.
func hint(fault *InvalidError, legacy bool) *InvalidError {
	if legacy {
		fault.Rule += needNewer
	}
	return fault
}

// fields is the members of a request's payload, as they stand in it; nil where they are missing.
type fields struct {
	uri, t, content, supplies, start, end, count, kind []byte
	legacy                                             bool // there is a "ts"
}

func openFields(payload []byte) (f fields) {
	for name, value := range members(payload) {
		switch string(name) {
		case "uri":
			f.uri = value
		case "t":
			f.t = value
		case "content":
			f.content = value
		case "supplies":
			f.supplies = value
		case "start":
			f.start = value
		case "end":
			f.end = value
		case "count":
			f.count = value
		case "type":
			f.kind = value
		case "ts":
			f.legacy = true
		}
	}
	return f
}

// setURI reads the URI of d.request, once all keys are known to be there.
func (d *Decoder) setURI(value []byte) *InvalidError {
	text, fault := d.decodeURI("uri", value)
	d.request.URI = metric.URI(freeze(text))
	return fault
}

func (d *Decoder) loadURI(payload []byte) (offset int, fault *InvalidError) {
	f := openFields(payload)
	if f.uri == nil {
		return faultLoad, invalid("uri", nil, "")
	}
	return faultURI, d.setURI(f.uri)
}

func (d *Decoder) loadSend(payload []byte) (offset int, fault *InvalidError) {
	r, f := &d.request, openFields(payload)
	if f.uri == nil {
		return faultLoad, invalid("uri", nil, "")
	}
	if r.Time, fault = timeUUID("t", f.t); fault != nil {
		return faultLoad, hint(fault, f.t == nil && f.legacy)
	}
	if f.content == nil {
		return faultLoad, invalid("content", nil, "")
	}
	if fault = d.setURI(f.uri); fault != nil {
		return faultURI, fault
	}
	r.Kind = metric.KindDatapoint
	if r.Action == ActionSendDsData {
		r.Kind = metric.KindDatasource
	}
	text, fault := d.decodeContent("content", f.content, r.Kind)
	if fault != nil {
		return faultContent, fault
	}
	r.Value, _ = parseValue(r.Kind, freeze(text)) // checked by decodeContent
	return 0, nil
}

func (d *Decoder) loadInfo(payload []byte) (offset int, fault *InvalidError) {
	r, f := &d.request, openFields(payload)
	if f.uri == nil {
		return faultLoad, invalid("uri", nil, "")
	}
	if f.supplies == nil {
		return faultLoad, invalid("supplies", nil, "")
	}
	if fault = d.setURI(f.uri); fault != nil {
		return faultURI, fault
	}
	if isNull(f.supplies) {
		return 0, nil
	}
	if !isArray(f.supplies) {
		return faultContent, invalid("supplies", f.supplies, "must be a list or null")
	}
	r.Supplies, fault = decodeSupplies(f.supplies)
	return faultEntry, fault
}

// decodeSupplies reads a list of local URIs, or null. It copies what it keeps.
func decodeSupplies(value []byte) ([]metric.URI, *InvalidError) {
	if isNull(value) {
		return nil, nil
	}
	if !isArray(value) {
		return nil, invalid("supplies", value, "must be a list or null")
	}
	all := []metric.URI{}
	for i, element := range elements(value) {
		text, _ := unquote(element)
		uri := metric.URI(text)
		if text == nil || uri.Check() != nil || !uri.IsLocal() {
			return nil, invalid("supplies["+strconv.Itoa(i)+"]", element, "must be a local uri")
		}
		all = append(all, uri)
	}
	return all, nil
}

func (d *Decoder) loadData(payload []byte) (offset int, fault *InvalidError) {
	r, f := &d.request, openFields(payload)
	switch {
	case f.uri == nil:
		return faultLoad, invalid("uri", nil, "")
	case f.count == nil:
		return faultLoad, invalid("count", nil, "")
	}
	if r.Start, fault = d.bound("start", f.start, &d.start); fault != nil {
		return faultLoad, fault
	}
	if r.End, fault = d.bound("end", f.end, &d.end); fault != nil {
		return faultLoad, fault
	}
	if fault = d.setURI(f.uri); fault != nil {
		return faultURI, fault
	}
	if isNull(f.count) {
		if r.Start == nil || r.End == nil {
			return CodeCountOrInterval, invalid("count", f.count, "must be given where start or end is null")
		}
		return 0, nil
	}
	n, ok := clampedInt(f.count)
	if !ok {
		return CodeCount, invalid("count", f.count, "must be an integer of 0 or more, or null")
	}
	d.count, r.Count = n, &d.count
	return 0, nil
}

// bound reads a time or null into memory.
func (d *Decoder) bound(field string, value []byte, memory *metric.TimeUUID) (*metric.TimeUUID, *InvalidError) {
	if isNull(value) {
		return nil, nil
	}
	t, fault := timeUUID(field, value)
	if fault != nil {
		// Agents before 0.8 spell times in ISO 8601.
		return nil, hint(fault, d.request.Seq.short && bytes.IndexByte(value, 'T') == 11)
	}
	*memory = t
	return memory, nil
}

func (d *Decoder) loadDelete(payload []byte) (offset int, fault *InvalidError) {
	f := openFields(payload)
	switch {
	case f.uri == nil:
		return faultLoad, invalid("uri", nil, "")
	case f.kind == nil:
		return faultLoad, invalid("type", nil, "")
	}
	if fault = d.setURI(f.uri); fault != nil {
		return faultURI, fault
	}
	if !isNull(f.kind) {
		d.request.Kind, fault = decodeKind("type", f.kind)
	}
	return faultEntry, fault
}
