package wire

import "strings"

// FeaturesHeader is the header of the websocket handshake, both ways, that carries [Features].
const FeaturesHeader = "Komstream-Features"

// What a peer may understand beyond the original protocol.
const (
	// FeatureVia is the envelope key "via": which impulses a sample was derived by.
	FeatureVia = "via"
	// FeaturePos is the envelope key "pos": a message's place in its owner's order of arrival.
	FeaturePos = "pos"
	// FeatureDelete is the action delete_uri.
	FeatureDelete = "delete_uri"
	// FeatureList is the action list_uris.
	FeatureList = "list_uris"
	// FeatureShare is the actions share, unshare and list_shares.
	FeatureShare = "share"
	// FeatureBatch is the action send_batch.
	FeatureBatch = "send_batch"
	// FeatureSince is the action since.
	FeatureSince = "since"
	// FeatureMissed is the action missed_data.
	FeatureMissed = "missed_data"
)

// maxFeatures bounds what is read of a peer's header.
const maxFeatures = 64

// Features is the set of what a peer understands. The zero value is empty: an original peer.
type Features struct{ names []string }

// FeaturesOf returns the set of the given names.
func FeaturesOf(names ...string) Features { return ParseFeatures(strings.Join(names, ",")) }

// OwnFeatures returns what this package can read and write.
func OwnFeatures() Features {
	return FeaturesOf(FeatureVia, FeaturePos, FeatureDelete, FeatureList, FeatureShare, FeatureBatch, FeatureSince,
		FeatureMissed)
}

// ParseFeatures reads the value of [FeaturesHeader]: names separated by commas and blanks, in any order. Names that
// are not known are kept, so that a newer peer can be shown; no more than 64 of at most 64 bytes.
func ParseFeatures(header string) (f Features) {
	for name := range strings.FieldsFuncSeq(header, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' }) {
		if len(name) <= maxFeatures && len(f.names) < maxFeatures && !f.Has(name) {
			f.names = append(f.names, name)
		}
	}
	return f
}

// Has reports whether the set holds the feature.
func (f Features) Has(name string) bool {
	for _, n := range f.names {
		if n == name {
			return true
		}
	}
	return false
}

// String returns the set as the header's value: "via, pos".
func (f Features) String() string { return strings.Join(f.names, ", ") }
