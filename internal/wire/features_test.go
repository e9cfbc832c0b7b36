package wire

import (
	"strings"
	"testing"
)

func TestFeatures(t *testing.T) {
	f := ParseFeatures(" via,pos ,, future via")
	for name, want := range map[string]bool{FeatureVia: true, FeaturePos: true, "future": true, FeatureDelete: false, "": false} {
		if f.Has(name) != want {
			t.Errorf("%q: got %v", name, f.Has(name))
		}
	}
	if got := f.String(); got != "via, pos, future" {
		t.Errorf("written as %q", got)
	}
	if got := OwnFeatures().String(); got != "via, pos, delete_uri, list_uris, share, send_batch, since, missed_data" {
		t.Errorf("our own are %q", got)
	}
	if (Features{}).Has(FeatureVia) || ParseFeatures("").String() != "" {
		t.Error("an original peer has features")
	}
	if got := len(ParseFeatures(strings.Repeat("x", 1000) + "," + strings.Repeat("a b c d e ", 1000)).names); got != 5 {
		t.Errorf("%d names of a hostile header", got)
	}
}
