package metric

import (
	"strings"
)

// MaxUsername is the greatest length of a user name, in bytes, at the hub.
const MaxUsername = 256

// URI names a metric: one or more levels of the letters A–Z and a–z, digits, '_' and '-', joined by single dots.
// A local URI, "host1.cpu.system", names a metric of the user who uses it; a global one, "friend:host1.cpu.system",
// puts the owner and a colon before it. Levels are case-sensitive, owners are not.
//
// A URI is a plain string so that a constant can stand wherever one is wanted; [ParseURI] and [URI.Check] hold the
// rules. The zero value names nothing and is invalid. There is no limit of length here; a hub may set one.
type URI string

// ParseURI returns the URI that text spells, its owner, if any, in lower case, or an [*InvalidError].
func ParseURI(text string) (URI, error) {
	u := URI(text)
	if err := u.Check(); err != nil {
		return "", err
	}
	return u.canonical(), nil
}

// Check returns an [*InvalidError] unless u obeys the rules of a URI. It does not allocate for a valid one.
func (u URI) Check() error {
	local := string(u)
	if i := strings.IndexByte(local, ':'); i >= 0 {
		if !validLevels(local[:i]) {
			return invalid("uri", string(u), "must name its owner, before the colon, as levels of A-Z a-z 0-9 _ - joined by dots")
		}
		if i > MaxUsername {
			return invalid("uri", string(u), "must name an owner of at most 256 bytes")
		}
		local = local[i+1:]
	}
	if !validLevels(local) {
		return invalid("uri", string(u), "must be levels of A-Z a-z 0-9 _ - joined by single dots, with at most one owner and colon before them")
	}
	return nil
}

// Owner returns the user before the colon, in lower case, or "" for a local URI.
func (u URI) Owner() string {
	owner, _, found := strings.Cut(string(u), ":")
	if !found {
		return ""
	}
	return strings.ToLower(owner)
}

// Local returns u without its owner.
func (u URI) Local() URI {
	if i := strings.IndexByte(string(u), ':'); i >= 0 {
		return u[i+1:]
	}
	return u
}

// IsLocal reports whether u names no owner.
func (u URI) IsLocal() bool { return strings.IndexByte(string(u), ':') < 0 }

// Name returns the last level of u.
func (u URI) Name() string {
	local := u.Local()
	return string(local[strings.LastIndexByte(string(local), '.')+1:])
}

// Parent returns u without its last level and true, or "" and false where u has one level only. The owner stays.
func (u URI) Parent() (URI, bool) {
	i := strings.LastIndexByte(string(u), '.')
	if i <= strings.IndexByte(string(u), ':') {
		return "", false
	}
	return u[:i], true
}

// Child returns the URI one or more levels below u: "cpu".Child("user") is "cpu.user". It does not check the
// levels: the result is checked where it is used. The child of the zero URI is the levels themselves.
func (u URI) Child(levels string) URI {
	if u == "" {
		return URI(levels)
	}
	return u + "." + URI(levels)
}

// Within reports whether u is ancestor itself or lies below it, on whole levels: "cpu.user" is within "cpu" and
// "cpux" is not. A local and a global URI are never within each other: resolve both with [URI.For] first.
func (u URI) Within(ancestor URI) bool {
	return u.IsBelow(ancestor) || u.canonical() == ancestor.canonical()
}

// IsBelow reports whether u lies strictly below ancestor, on whole levels. See [URI.Within].
func (u URI) IsBelow(ancestor URI) bool {
	u, ancestor = u.canonical(), ancestor.canonical()
	return ancestor != "" && len(u) > len(ancestor)+1 && u[len(ancestor)] == '.' && u[:len(ancestor)] == ancestor &&
		u[len(ancestor):].IsLocal() // an owner may have levels: "bob.x:cpu" is not below "bob"
}

// For returns u as the given user writes it: local for the user's own metrics, however spelled, and global, with
// the owner in lower case, for the others'. Two URIs name one metric for a user when For returns the same.
func (u URI) For(user string) URI {
	owner := u.Owner()
	if owner == "" || owner == strings.ToLower(user) {
		return u.Local()
	}
	return u.canonical()
}

// Global returns u with its owner, in lower case: the given user's where u is local.
func (u URI) Global(user string) URI {
	if u.IsLocal() {
		return URI(strings.ToLower(user)) + ":" + u
	}
	return u.canonical()
}

// canonical returns u with its owner in lower case.
func (u URI) canonical() URI {
	i := strings.IndexByte(string(u), ':')
	for j := 0; j < i; j++ {
		if c := u[j]; 'A' <= c && c <= 'Z' {
			return URI(strings.ToLower(string(u[:i]))) + u[i:]
		}
	}
	return u
}

// ParseUsername returns the user name that text spells, in lower case: levels of A–Z a–z 0–9 _ - joined by single
// dots, at most [MaxUsername] bytes. Otherwise it returns an [*InvalidError].
func ParseUsername(text string) (string, error) {
	if !validLevels(text) {
		return "", invalid("username", text, "must be levels of A-Z a-z 0-9 _ - joined by single dots")
	}
	if len(text) > MaxUsername {
		return "", invalid("username", text, "must be at most 256 bytes")
	}
	return strings.ToLower(text), nil
}

// validLevels reports whether s is one or more non-empty levels joined by single dots.
func validLevels(s string) bool {
	dot := true // a level must start here
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '.':
			if dot {
				return false
			}
			dot = true
		case levelByte[c]:
			dot = false
		default:
			return false
		}
	}
	return !dot
}

// levelByte marks the bytes a level may hold.
var levelByte = func() (t [256]bool) {
	for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-" {
		t[c] = true
	}
	return t
}()
