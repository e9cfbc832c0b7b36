package wire

import (
	"encoding/hex"

	"github.com/komstream/komstream/metric"
)

// Page writes send_data_interval row by row, for a hub that cuts its pages by bytes. Make it with [BeginPage].
//
// Where a page ends is known only when it is full, but its start stands before its rows: [Page.End] writes it in
// place, since all times have one length.
type Page struct {
	b     []byte
	from  int // where the frame begins in b
	start int // where the digits of the start stand in b
	rows  int
}

// BeginPage appends a page up to its first row. End is the newer bound of the page.
func BeginPage(b []byte, seq, irt Seq, uri metric.URI, kind metric.Kind, end metric.TimeUUID) Page {
	p := Page{from: len(b)}
	b = append(appendHead(b, ActionSendDataInterval, seq, irt, nil, 0), `"uri": {`...)
	b = append(append(appendURI(b, uri), `, "type": "`...), byte(kind))
	b = append(b, `"}, "start": "`...)
	p.start = len(b)
	b = append(hex.AppendEncode(b, end[:]), `", "end": `...)
	p.b = append(appendTime(b, end), `, "data": [`...)
	return p
}

// Row appends a row, the next older one. It returns false, and appends nothing, where the frame would grow beyond
// limit bytes and two rows are in it: the border between two pages belongs to both, so that pages of one row would
// never come to an end. Limit 0 is none.
func (p *Page) Row(t metric.TimeUUID, v metric.Value, limit int) bool {
	before := len(p.b)
	if p.rows > 0 {
		p.b = append(p.b, ", "...)
	}
	p.b = append(appendTime(append(p.b, '['), t), ", "...)
	p.b = append(appendValue(p.b, &v), ']')
	if limit > 0 && p.rows > 1 && len(p.b)-p.from+len("]}}") > limit {
		p.b = p.b[:before]
		return false
	}
	p.rows++
	return true
}

// Rows returns the number of rows.
func (p *Page) Rows() int { return p.rows }

// End returns the buffer with the whole frame; start is the older bound of the page.
func (p *Page) End(start metric.TimeUUID) []byte {
	hex.Encode(p.b[p.start:], start[:])
	return append(p.b, "]}}"...)
}

// AppendInterval appends send_data_interval with the given rows, newest first.
func AppendInterval(b []byte, seq, irt Seq, uri metric.URI, kind metric.Kind, start, end metric.TimeUUID,
	rows []metric.Sample) []byte {
	p := BeginPage(b, seq, irt, uri, kind, end)
	for i := range rows {
		p.Row(rows[i].Time, rows[i].Value, 0)
	}
	return p.End(start)
}
