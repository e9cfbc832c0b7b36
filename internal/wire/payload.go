package wire

import (
	"bytes"
	"strconv"

	"github.com/komstream/komstream/metric"
)

func (d *Decoder) decodeResponse(payload []byte) *InvalidError {
	var status, code, reason []byte
	for name, value := range members(payload) {
		switch string(name) {
		case "status":
			status = value
		case "error":
			code = value
		case "reason":
			reason = value
		}
	}
	n, ok := clampedInt(status)
	if !ok || n == 0 {
		return invalid("status", status, "must be a positive integer")
	}
	m, ok := clampedInt(code)
	if !ok {
		return invalid("error", code, "must be an integer of 0 or more")
	}
	d.response = Response{Status: n, Code: m}
	if isNull(reason) {
		return nil
	}
	// A surrogate that stands alone is no reason to lose an answer: it is shown as U+FFFD.
	text, _ := unquote(reason)
	if text == nil {
		return invalid("reason", reason, "must be a string or null")
	}
	d.response.Reason = string(text)
	return nil
}

func (d *Decoder) decodeInterval(payload []byte) (fault *InvalidError) {
	var uri, start, end, data []byte
	for name, value := range members(payload) {
		switch string(name) {
		case "uri":
			uri = value
		case "start":
			start = value
		case "end":
			end = value
		case "data":
			data = value
		}
	}
	v := &d.interval
	v.Rows = v.Rows[:0]
	if fault = d.decodeMetric(uri); fault != nil {
		return fault.within("uri")
	}
	if v.Start, fault = timeUUID("start", start); fault != nil {
		return fault
	}
	if v.End, fault = timeUUID("end", end); fault != nil {
		return fault
	}
	if !isArray(data) {
		return invalid("data", data, "must be a list")
	}
	for i, element := range elements(data) {
		row, fault := d.decodeRow(element, v.Kind)
		if fault != nil {
			return fault.within("data[" + strconv.Itoa(i) + "]")
		}
		v.Rows = append(v.Rows, row)
	}
	return nil
}

// decodeMetric reads the object that names the metric of an interval.
func (d *Decoder) decodeMetric(object []byte) *InvalidError {
	if !isObject(object) {
		return invalid("", object, "must be an object")
	}
	var uri, kind []byte
	for name, value := range members(object) {
		switch string(name) {
		case "uri":
			uri = value
		case "type":
			kind = value
		}
	}
	text, fault := d.decodeURI(".uri", uri)
	if fault != nil {
		return fault
	}
	d.interval.URI = string(text)
	d.interval.Kind, fault = decodeKind(".type", kind)
	return fault
}

func (d *Decoder) decodeRow(row []byte, kind metric.Kind) (r Row, fault *InvalidError) {
	const rule = "must be a list of a time and a content"
	if !isArray(row) {
		return r, invalid("", row, rule)
	}
	var pair [2][]byte
	n := 0
	for i, value := range elements(row) {
		if n++; n > 2 {
			break
		}
		pair[i] = value
	}
	if n != 2 {
		return r, invalid("", row, rule)
	}
	if r.Time, fault = timeUUID("[0]", pair[0]); fault != nil {
		return r, fault
	}
	r.Content, fault = d.decodeContent("[1]", pair[1], kind)
	return r, fault
}

// decodeMulti reads the payload of send_multi_data into d.note.
func (d *Decoder) decodeMulti(payload []byte) (fault *InvalidError) {
	t, uris, _ := openMulti(payload)
	if d.note.Time, fault = timeUUID("t", t); fault != nil {
		return fault
	}
	return d.decodeItems(uris)
}

func openMulti(payload []byte) (t, uris []byte, legacy bool) {
	for name, value := range members(payload) {
		switch string(name) {
		case "t":
			t = value
		case "uris":
			uris = value
		case "ts":
			legacy = true
		}
	}
	return t, uris, legacy
}

// decodeItems reads the items of send_multi_data into d.note, texts before numbers.
func (d *Decoder) decodeItems(uris []byte) *InvalidError {
	if !isArray(uris) {
		return invalid("uris", uris, "must be a list")
	}
	for i, element := range elements(uris) {
		item, fault := d.decodeItem(element)
		if fault != nil {
			return fault.within("uris[" + strconv.Itoa(i) + "]")
		}
		d.note.Items = append(d.note.Items, item)
	}
	d.textsFirst()
	return nil
}

func (d *Decoder) decodeItem(object []byte) (item Item, fault *InvalidError) {
	if !isObject(object) {
		return item, invalid("", object, "must be an object")
	}
	var uri, kind, content []byte
	for name, value := range members(object) {
		switch string(name) {
		case "uri":
			uri = value
		case "type":
			kind = value
		case "content":
			content = value
		}
	}
	if item.URI, fault = d.decodeURI(".uri", uri); fault != nil {
		return item, fault
	}
	if item.Kind, fault = decodeKind(".type", kind); fault != nil {
		return item, fault
	}
	item.Content, fault = d.decodeContent(".content", content, item.Kind)
	return item, fault
}

// textsFirst puts the texts before the numbers and leaves the order within each group, as every reader of this
// protocol does.
func (d *Decoder) textsFirst() {
	items := d.note.Items
	ordered := true
	for i := 1; i < len(items); i++ {
		ordered = ordered && !(items[i].Kind == metric.KindDatasource && items[i-1].Kind == metric.KindDatapoint)
	}
	if ordered {
		return
	}
	d.spare = d.spare[:0]
	for _, kind := range []metric.Kind{metric.KindDatasource, metric.KindDatapoint} {
		for _, item := range items {
			if item.Kind == kind {
				d.spare = append(d.spare, item)
			}
		}
	}
	d.note.Items, d.spare = d.spare, items
}

// decodeURI returns the text of a valid URI. Where the only fault is an owner's name too long for any user, a hub
// goes on, since it has an answer of its own for that, which comes after all other checks.
func (d *Decoder) decodeURI(field string, value []byte) ([]byte, *InvalidError) {
	text, _ := unquote(value)
	if text == nil {
		return nil, invalid(field, value, "must be a string")
	}
	err := metric.URI(freeze(text)).Check()
	if err != nil && d.freezing && isLongOwner(text) {
		d.longOwner, err = true, nil
	}
	if err != nil {
		return nil, invalidMetric(field, value, err)
	}
	return text, nil
}

// isLongOwner reports whether a URI that breaks a rule would be right with a shorter owner.
func isLongOwner(uri []byte) bool {
	owner, local, global := bytes.Cut(uri, []byte(":"))
	return global && len(owner) > metric.MaxUsername &&
		metric.URI(freeze(owner)).Check() == nil && metric.URI(freeze(local)).Check() == nil &&
		metric.URI(freeze(local)).IsLocal()
}

func decodeKind(field string, value []byte) (metric.Kind, *InvalidError) {
	switch text, _ := unquote(value); string(text) {
	case "p":
		return metric.KindDatapoint, nil
	case "d":
		return metric.KindDatasource, nil
	}
	return 0, invalid(field, value, `must be "p" or "d"`)
}

// decodeContent returns the content of a sample: a text, or a number as a string or as a JSON number.
func (d *Decoder) decodeContent(field string, value []byte, kind metric.Kind) ([]byte, *InvalidError) {
	text := value
	if isString(value) {
		var ok bool
		if text, ok = d.unescape(value); !ok {
			return nil, invalid(field, value, "must not hold half of a surrogate pair")
		}
	} else if kind == metric.KindDatasource {
		return nil, invalid(field, value, "must be a string")
	} else if !isNumber(value) {
		return nil, invalid(field, value, "must be a number or a string that spells one")
	}
	switch {
	case kind == metric.KindDatasource && len(text) > metric.MaxText:
		return nil, invalid(field, value, "must be at most 131072 bytes of UTF-8")
	case kind == metric.KindDatapoint && !isPlainNumber(text):
		if string(text) == notFinite {
			return nil, invalid(field, value, "must be finite")
		}
		if _, err := metric.ParseNumber(string(text)); err != nil {
			return nil, invalidMetric(field, value, err)
		}
	}
	return text, nil
}

// unescape returns the text of a JSON string: a part of it where it holds no escape, otherwise in d's own memory.
func (d *Decoder) unescape(quoted []byte) (text []byte, ok bool) {
	if inner := quoted[1 : len(quoted)-1]; bytes.IndexByte(inner, '\\') < 0 {
		return inner, true
	}
	if d.freezing { // a request's strings outlive this call
		return appendUnquoted(make([]byte, 0, len(quoted)), quoted)
	}
	from := len(d.text)
	d.text, ok = appendUnquoted(d.text, quoted)
	return d.text[from:len(d.text):len(d.text)], ok
}

// isPlainNumber reports whether text is nothing but a sign, at most 32 digits and a point, which is a number that no
// bound refuses: the way of nearly all.
func isPlainNumber(text []byte) bool {
	if len(text) > 32 {
		return false
	}
	if len(text) > 0 && text[0] == '-' {
		text = text[1:]
	}
	seen, points := 0, 0
	for _, c := range text {
		switch {
		case '0' <= c && c <= '9':
			seen++
		case c == '.':
			points++
		default:
			return false
		}
	}
	return seen > 0 && points < 2
}
