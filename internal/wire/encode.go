package wire

import (
	"encoding/hex"
	"strconv"

	"github.com/komstream/komstream/metric"
)

// The Append functions append one frame to b and return the extended buffer; they keep nothing of what they are
// given. URIs, samples and values must have passed their checks: they are written as they are.

// AppendSendOne appends send_ds_data or send_dp_data, by the kind of the sample. Irt is the message that caused the
// sample, zero for none; via the impulses that it was derived by.
func AppendSendOne(b []byte, seq, irt Seq, via []metric.Origin, s *metric.Sample) []byte {
	action := ActionSendDpData
	if s.Kind() == metric.KindDatasource {
		action = ActionSendDsData
	}
	b = appendHead(b, action, seq, irt, via, 0)
	b = append(append(append(b, `"uri": "`...), s.URI...), `", "t": `...)
	b = append(appendTime(b, s.Time), `, "content": `...)
	return append(appendValue(b, &s.Value), "}}"...)
}

// AppendSendMulti appends send_multi_data with the samples, texts before numbers as every reader orders them. All
// have the time t; their own is not looked at.
func AppendSendMulti(b []byte, seq, irt Seq, via []metric.Origin, t metric.TimeUUID, samples []metric.Sample) []byte {
	return append(appendSamples(appendMultiHead(b, seq, irt, via, 0, t), samples), "]}}"...)
}

// appendSamples appends the elements of "uris", texts first.
func appendSamples(b []byte, samples []metric.Sample) []byte {
	first, numbers := true, 0
	for i := range samples {
		if s := &samples[i]; s.Kind() == metric.KindDatasource {
			b = appendItem(b, first, "", s.URI, &s.Value)
			first = false
		} else {
			numbers++
		}
	}
	for i := 0; i < len(samples) && numbers > 0; i++ {
		if s := &samples[i]; s.Kind() != metric.KindDatasource {
			b = appendItem(b, first, "", s.URI, &s.Value)
			first = false
			numbers--
		}
	}
	return b
}

// AppendNotification appends send_multi_data as a hub pushes it. The items belong to one owner and have local URIs;
// owner is put before them, "" for the owner's own sessions. Pos 0 and an empty via are left out. The items are
// written in their order: texts should come first.
func AppendNotification(b []byte, seq Seq, t metric.TimeUUID, via []metric.Origin, pos uint64, owner string,
	items []RequestItem) []byte {
	b = appendMultiHead(b, seq, Seq{}, via, pos, t)
	for i := range items {
		b = appendItem(b, i == 0, owner, items[i].URI, &items[i].Value)
	}
	return append(b, "]}}"...)
}

// AppendResponse appends generic_response in answer to the request irt. A refusal needs a reason: some agents fail
// on one without.
func AppendResponse(b []byte, seq, irt Seq, r Response) []byte {
	return appendResponse(b, "1", seq, irt, &r)
}

// AppendRefusal appends the generic_response that answers a request which the decoder has refused. It must not be
// called for one with Close set.
func AppendRefusal(b []byte, seq Seq, r *Refusal) []byte {
	return appendResponse(b, r.V, seq, r.Irt, &Response{Status: r.Status, Code: r.Code, Reason: r.Reason})
}

func appendResponse(b []byte, v string, seq, irt Seq, r *Response) []byte {
	b = append(append(b, `{"v": `...), v...)
	b = seq.appendJSON(append(b, `, "action": "generic_response", "seq": `...))
	b = irt.appendJSON(append(b, `, "irt": `...))
	b = strconv.AppendInt(append(b, `, "payload": {"status": `...), int64(r.Status), 10)
	b = strconv.AppendInt(append(b, `, "error": `...), int64(r.Code), 10)
	b = append(b, `, "reason": `...)
	if r.Reason == "" {
		return append(b, "null}}"...)
	}
	return append(AppendQuoted(b, r.Reason), "}}"...)
}

// AppendHook appends hook_to_uri.
func AppendHook(b []byte, seq Seq, uri metric.URI) []byte {
	return append(appendURI(appendHead(b, ActionHookToURI, seq, Seq{}, nil, 0), uri), "}}"...)
}

// AppendUnhook appends unhook_from_uri.
func AppendUnhook(b []byte, seq Seq, uri metric.URI) []byte {
	return append(appendURI(appendHead(b, ActionUnhookFromURI, seq, Seq{}, nil, 0), uri), "}}"...)
}

// AppendInfo appends send_ds_info: which URIs, local and relative to the datasource, may be recognised in its texts.
// Nil stands for no change, an empty list for none.
func AppendInfo(b []byte, seq Seq, uri metric.URI, supplies []metric.URI) []byte {
	b = appendURI(appendHead(b, ActionSendDsInfo, seq, Seq{}, nil, 0), uri)
	return append(appendSupplies(append(b, `, "supplies": `...), supplies), "}}"...)
}

// appendSupplies appends a list of URIs, null for nil.
func appendSupplies(b []byte, supplies []metric.URI) []byte {
	if supplies == nil {
		return append(b, "null"...)
	}
	b = append(b, '[')
	for i, s := range supplies {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(append(append(b, '"'), s...), '"')
	}
	return append(b, ']')
}

// AppendRequest appends request_data. A zero time leaves the range open on that side; a negative count stands for
// no limit, which a hub allows only where both times are given.
func AppendRequest(b []byte, seq Seq, uri metric.URI, start, end metric.TimeUUID, count int) []byte {
	b = appendURI(appendHead(b, ActionRequestData, seq, Seq{}, nil, 0), uri)
	b = SeqOf(start).appendJSON(append(b, `, "start": `...))
	b = SeqOf(end).appendJSON(append(b, `, "end": `...))
	b = append(b, `, "count": `...)
	if count < 0 {
		return append(b, "null}}"...)
	}
	return append(strconv.AppendInt(b, int64(count), 10), "}}"...)
}

// AppendDelete appends delete_uri. Kind is the type that is to take the metric's place, 0 for any.
func AppendDelete(b []byte, seq Seq, uri metric.URI, kind metric.Kind) []byte {
	b = appendURI(appendHead(b, ActionDeleteURI, seq, Seq{}, nil, 0), uri)
	if kind == 0 {
		return append(b, `, "type": null}}`...)
	}
	return append(append(append(b, `, "type": "`...), byte(kind)), `"}}`...)
}

// appendHead appends the envelope, up to the first member of the payload.
func appendHead(b []byte, action Action, seq, irt Seq, via []metric.Origin, pos uint64) []byte {
	b = append(append(b, `{"v": 1, "action": "`...), action.String()...)
	b = seq.appendJSON(append(b, `", "seq": `...))
	b = appendVia(irt.appendJSON(append(b, `, "irt": `...)), via)
	if pos > 0 {
		b = strconv.AppendUint(append(b, `, "pos": `...), pos, 10)
	}
	return append(b, `, "payload": {`...)
}

// appendVia appends the key "via", nothing where there is none.
func appendVia(b []byte, via []metric.Origin) []byte {
	for i := range via {
		if i == 0 {
			b = append(b, `, "via": ["`...)
		} else {
			b = append(b, `", "`...)
		}
		b = hex.AppendEncode(b, via[i][:])
	}
	if len(via) > 0 {
		b = append(b, `"]`...)
	}
	return b
}

func appendMultiHead(b []byte, seq, irt Seq, via []metric.Origin, pos uint64, t metric.TimeUUID) []byte {
	b = append(appendHead(b, ActionSendMultiData, seq, irt, via, pos), `"t": `...)
	return append(appendTime(b, t), `, "uris": [`...)
}

func appendURI(b []byte, uri metric.URI) []byte {
	return append(append(append(b, `"uri": "`...), uri...), '"')
}

func appendTime(b []byte, t metric.TimeUUID) []byte {
	return append(hex.AppendEncode(append(b, '"'), t[:]), '"')
}

// appendItem appends one element of "uris", and a comma before it unless it is the first.
func appendItem(b []byte, first bool, owner string, uri metric.URI, v *metric.Value) []byte {
	if first {
		b = append(b, `{"uri": "`...)
	} else {
		b = append(b, `, {"uri": "`...)
	}
	if owner != "" {
		b = append(append(b, owner...), ':')
	}
	b = append(b, uri...)
	if v.Kind() == metric.KindDatasource {
		b = append(b, `", "type": "d", "content": `...)
		return append(AppendQuoted(b, v.String()), '}')
	}
	b = append(b, `", "type": "p", "content": "`...)
	return append(v.Append(b), `"}`...)
}

// appendValue appends a content, always as a string.
func appendValue(b []byte, v *metric.Value) []byte {
	if v.Kind() == metric.KindDatasource {
		return AppendQuoted(b, v.String())
	}
	return append(v.Append(append(b, '"')), '"')
}
