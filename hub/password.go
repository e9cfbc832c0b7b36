package hub

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// The cost of a password: argon2id with 46 MiB, one pass, one lane, as OWASP's Password Storage Cheat Sheet
// recommends first. A stored hash names its own cost, so that it can be raised.
const (
	argonMemory  = 46 << 10 // KiB
	argonTime    = 1
	argonThreads = 1
	argonSalt    = 16
	argonKey     = 32

	// passwordLeast and passwordMost bound a password, in bytes.
	passwordLeast, passwordMost = 8, 1024
	// hashesAtOnce bounds the memory that strangers can make the hub use.
	hashesAtOnce = 2
)

// ErrDenied is wrapped where a name or password is wrong. It does not say which.
var ErrDenied = errors.New("access denied")

// SetPassword sets the password with which a user enters the console, of 8 to 1,024 bytes; "" takes it away, and
// nobody gets in. Agents do not need one.
func (h *Hub) SetPassword(ctx context.Context, username, password string) error {
	u, err := h.directory.mustUser(username)
	if err != nil {
		return err
	}
	hashed := ""
	if password != "" {
		if len(password) < passwordLeast || len(password) > passwordMost {
			return fmt.Errorf("hub: password of user %s has %d bytes, must have %d to %d",
				u.name, len(password), passwordLeast, passwordMost)
		}
		release, err := h.hashing(ctx)
		if err != nil {
			return err
		}
		hashed = hashPassword(password)
		release()
	}
	return h.directory.change(ctx, u, func(s *settings) { s.Password = hashed })
}

// CheckPassword returns nil for the right password, and otherwise an error that wraps [ErrDenied], or a [*LimitError]
// after too many wrong ones for the user or from the address. from is the client's address, "" for one that is not
// limited. At most two passwords are computed at once; others wait until ctx ends.
func (h *Hub) CheckPassword(ctx context.Context, from, username, password string) error {
	name := ""
	stored := nobodysPassword
	if u := h.directory.user(username); u != nil {
		name = u.name
		if p := u.current().Password; p != "" {
			stored = p
		}
	}
	now := h.config.now()
	if wait := h.limits.blocked(from, name, now); wait > 0 {
		return &LimitError{RetryAfter: wait}
	}
	release, err := h.hashing(ctx)
	if err != nil {
		return err
	}
	defer release()
	// A user that does not exist costs the same, so that names cannot be found out by the time.
	if len(password) > passwordMost || !checkPassword(stored, password) || stored == nobodysPassword {
		h.limits.failed(from, name, now)
		return fmt.Errorf("hub: password: %w", ErrDenied)
	}
	return nil
}

// nobodysPassword is what is compared where there is no password.
var nobodysPassword = encodePassword(make([]byte, argonSalt), make([]byte, argonKey))

func (h *Hub) hashing(ctx context.Context) (release func(), err error) {
	select {
	case h.hashes <- struct{}{}:
		return func() { <-h.hashes }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func hashPassword(password string) string {
	salt := randomBytes(argonSalt)
	return encodePassword(salt, argon2.IDKey([]byte(password), salt, argonTime, argonMemory, argonThreads, argonKey))
}

// encodePassword writes a hash in the usual form, which names its cost.
func encodePassword(salt, key []byte) string {
	enc := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonTime, argonThreads,
		enc.EncodeToString(salt), enc.EncodeToString(key))
}

func checkPassword(stored, password string) bool {
	parts := strings.Split(stored, "$")
	if len(parts) != 6 || parts[1] != "argon2id" {
		return false
	}
	var version int
	var memory, passes uint32
	var threads uint8
	if _, err := fmt.Sscanf(parts[2], "v=%d", &version); err != nil || version != argon2.Version {
		return false
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &memory, &passes, &threads); err != nil || passes == 0 || threads == 0 {
		return false
	}
	salt, err := base64.RawStdEncoding.DecodeString(parts[4])
	if err != nil {
		return false
	}
	key, err := base64.RawStdEncoding.DecodeString(parts[5])
	if err != nil || len(key) == 0 {
		return false
	}
	computed := argon2.IDKey([]byte(password), salt, passes, memory, threads, uint32(len(key)))
	return subtle.ConstantTimeCompare(computed, key) == 1
}
