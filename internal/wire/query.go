package wire

import (
	"strconv"

	"github.com/komstream/komstream/metric"
)

// MaxPage is the greatest number of entries in a page of list_uris, list_shares and since.
const MaxPage = 1000

// AppendList appends list_uris: the metrics at prefix and below it, all of the user's own for "". After is the last
// entry of the page before, "" for the first page; limit 0 leaves the size of the page to the hub.
func AppendList(b []byte, seq Seq, prefix, after metric.URI, limit int) []byte {
	b = appendHead(b, ActionListURIs, seq, Seq{}, nil, 0)
	b = appendNullable(append(b, `"uri": `...), string(prefix))
	b = appendNullable(append(b, `, "after": `...), string(after))
	return append(appendLimit(b, limit), "}}"...)
}

// AppendShare appends share or unshare, as the action says: user may read uri, which is the sender's own, and
// everything below it, or no longer.
func AppendShare(b []byte, action Action, seq Seq, uri metric.URI, user string) []byte {
	b = appendURI(appendHead(b, action, seq, Seq{}, nil, 0), uri)
	return append(append(append(b, `, "user": "`...), user...), `"}}`...)
}

// AppendListShares appends list_shares. After is the last share of the page before, zero for the first page; limit 0
// leaves the size of the page to the hub.
func AppendListShares(b []byte, seq Seq, after Share, limit int) []byte {
	b = append(appendHead(b, ActionListShares, seq, Seq{}, nil, 0), `"after": `...)
	if after.URI == "" {
		b = append(b, "null"...)
	} else {
		b = appendShare(b, after)
	}
	return append(appendLimit(b, limit), "}}"...)
}

// AppendSince appends since: the messages of an owner's log of arrivals behind a position, the oldest first. The
// owner "" is the sender's user; limit 0 leaves the size of the page to the hub.
func AppendSince(b []byte, seq Seq, owner string, position uint64, limit int) []byte {
	b = append(appendHead(b, ActionSince, seq, Seq{}, nil, 0), `"owner": `...)
	b = appendNullable(b, owner)
	b = strconv.AppendUint(append(b, `, "position": `...), position, 10)
	return append(appendLimit(b, limit), "}}"...)
}

// appendNullable appends a URI or a user as a string, null for "".
func appendNullable(b []byte, text string) []byte {
	if text == "" {
		return append(b, "null"...)
	}
	return append(append(append(b, '"'), text...), '"')
}

func appendLimit(b []byte, limit int) []byte {
	b = append(b, `, "limit": `...)
	if limit == 0 {
		return append(b, "null"...)
	}
	return strconv.AppendInt(b, int64(limit), 10)
}

// asked is the members of the payload of a query, as they stand in it; nil where they are missing.
type asked struct{ uri, after, limit, user, owner, position []byte }

func openAsked(payload []byte) (a asked) {
	for name, value := range members(payload) {
		switch string(name) {
		case "uri":
			a.uri = value
		case "after":
			a.after = value
		case "limit":
			a.limit = value
		case "user":
			a.user = value
		case "owner":
			a.owner = value
		case "position":
			a.position = value
		}
	}
	return a
}

// missing returns the fault of the first of the members that is not there, or nil.
func missing(names []string, values ...[]byte) *InvalidError {
	for i, v := range values {
		if v == nil {
			return invalid(names[i], nil, "")
		}
	}
	return nil
}

func (d *Decoder) loadList(payload []byte) (offset int, fault *InvalidError) {
	a := openAsked(payload)
	if fault = missing([]string{"uri", "after", "limit"}, a.uri, a.after, a.limit); fault != nil {
		return faultLoad, fault
	}
	if !isNull(a.uri) {
		if fault = d.setURI(a.uri); fault != nil {
			return faultURI, fault
		}
	}
	if !isNull(a.after) {
		text, fault := d.decodeURI("after", a.after)
		if fault != nil {
			return faultEntry, fault
		}
		d.request.After = metric.URI(freeze(text))
	}
	return faultContent, d.setLimit(a.limit)
}

// setLimit reads an integer from 1 on, or null. More than a page may hold is that much.
func (d *Decoder) setLimit(value []byte) *InvalidError {
	if isNull(value) {
		return nil
	}
	n, ok := clampedInt(value)
	if !ok || n == 0 {
		return invalid("limit", value, "must be an integer of 1 or more, or null")
	}
	d.request.Limit = min(n, MaxPage)
	return nil
}

func (d *Decoder) loadShare(payload []byte) (offset int, fault *InvalidError) {
	a := openAsked(payload)
	if fault = missing([]string{"uri", "user"}, a.uri, a.user); fault != nil {
		return faultLoad, fault
	}
	if fault = d.setURI(a.uri); fault != nil {
		return faultURI, fault
	}
	d.request.User, fault = decodeUser("user", a.user)
	return faultEntry, fault
}

func (d *Decoder) loadListShares(payload []byte) (offset int, fault *InvalidError) {
	a := openAsked(payload)
	if fault = missing([]string{"after", "limit"}, a.after, a.limit); fault != nil {
		return faultLoad, fault
	}
	if !isNull(a.after) {
		if !isObject(a.after) {
			return faultEntry, invalid("after", a.after, "must be a share or null")
		}
		s, fault := d.decodeShare(a.after)
		if fault != nil {
			return faultEntry, fault.within("after")
		}
		d.request.After, d.request.AfterUser = s.URI, s.User
	}
	return faultContent, d.setLimit(a.limit)
}

func (d *Decoder) loadSince(payload []byte) (offset int, fault *InvalidError) {
	a := openAsked(payload)
	if fault = missing([]string{"owner", "position", "limit"}, a.owner, a.position, a.limit); fault != nil {
		return faultLoad, fault
	}
	if !isNull(a.owner) {
		if d.request.User, fault = decodeUser("owner", a.owner); fault != nil {
			return faultURI, fault
		}
	}
	if d.request.Position, fault = position("position", a.position); fault != nil {
		return faultEntry, fault
	}
	return faultContent, d.setLimit(a.limit)
}
