package wire

import (
	"strconv"

	"github.com/komstream/komstream/metric"
)

// MaxSends is the greatest number of parts in one send_batch.
const MaxSends = 10_000

// Batch writes send_batch part by part. Make it with [BeginBatch].
type Batch struct {
	b     []byte
	sends int
}

// BeginBatch appends a batch up to its first part. Irt and via are those of all parts: see [AppendSendOne].
func BeginBatch(b []byte, seq, irt Seq, via []metric.Origin) Batch {
	return Batch{b: append(appendHead(b, ActionSendBatch, seq, irt, via, 0), `"sends": [`...)}
}

// Send appends the samples of one time, of which there are at most [MaxSends]. Their own times are not looked at.
func (p *Batch) Send(t metric.TimeUUID, samples []metric.Sample) {
	if p.sends++; p.sends > 1 {
		p.b = append(p.b, ", "...)
	}
	p.b = append(appendTime(append(p.b, `{"t": `...), t), `, "uris": [`...)
	p.b = append(appendSamples(p.b, samples), "]}"...)
}

// End returns the buffer with the whole frame.
func (p *Batch) End() []byte { return append(p.b, "]}}"...) }

func (d *Decoder) loadBatch(payload []byte) (offset int, fault *InvalidError) {
	var sends []byte
	for name, value := range members(payload) {
		if string(name) == "sends" {
			sends = value
		}
	}
	if sends == nil {
		return faultLoad, invalid("sends", nil, "")
	}
	if !isArray(sends) {
		return faultURI, invalid("sends", sends, "must be a list")
	}
	r := &d.request
	for i, value := range elements(sends) {
		if i == MaxSends {
			return faultURI, invalid("sends", sends, "must have at most "+strconv.Itoa(MaxSends)+" elements")
		}
		if offset, fault = d.loadPart(value); fault != nil {
			return offset, fault.within("sends[" + strconv.Itoa(i) + "]")
		}
	}
	// Only now: the memory of Items has moved while it grew.
	rest := r.Items
	for i := range r.Sends {
		n := len(r.Sends[i].Items)
		r.Sends[i].Items, rest = rest[:n:n], rest[n:]
	}
	return 0, nil
}

// loadPart reads one part. Of its items only the number is known afterwards.
func (d *Decoder) loadPart(object []byte) (offset int, fault *InvalidError) {
	if !isObject(object) {
		return faultURI, invalid("", object, "must be an object")
	}
	t, uris, _ := openMulti(object)
	at, fault := timeUUID(".t", t)
	if fault != nil {
		return faultLoad, fault
	}
	if uris == nil {
		return faultLoad, invalid(".uris", nil, "")
	}
	d.note.Items = d.note.Items[:0]
	if fault = d.decodeItems(uris); fault != nil {
		return faultURI, fault.within(".")
	}
	r := &d.request
	from := len(r.Items)
	d.takeItems()
	r.Sends = append(r.Sends, RequestSend{Time: at, Items: r.Items[from:]})
	return 0, nil
}
