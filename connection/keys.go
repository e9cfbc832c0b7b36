package connection

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
)

// Bounds of a key. The lower one is the protocol's. The upper one bounds what a stranger's key can cost the hub: a
// key of 16,384 bits takes 3.4 ms to verify with, one of 524,288 bits takes 3.3 s.
const (
	MinKeyBits = 4096
	MaxKeyBits = 8192

	publicExponent = 65537
)

// Key is an agent's RSA key pair: what a session logs in with. It is immutable and safe for concurrent use. It
// prints as its fingerprint only.
type Key struct {
	rsa *rsa.PrivateKey
}

// GenerateKey makes a new key of [MinKeyBits]. It takes seconds of computing.
func GenerateKey() (*Key, error) {
	k, err := rsa.GenerateKey(rand.Reader, MinKeyBits)
	if err != nil {
		return nil, fmt.Errorf("connection: key not generated: %w", err)
	}
	return &Key{k}, nil
}

// NewKey takes an RSA key that the caller keeps elsewhere than in a file. It must have between [MinKeyBits] and
// [MaxKeyBits] bits and the exponent 65537. The caller must not change k afterwards.
func NewKey(k *rsa.PrivateKey) (*Key, error) {
	if k == nil {
		return nil, errors.New("connection: RSA key must not be nil")
	}
	if err := checkPublic(&k.PublicKey); err != nil {
		return nil, err
	}
	if err := k.Validate(); err != nil {
		return nil, fmt.Errorf("connection: RSA key is not valid: %w", err)
	}
	return &Key{k}, nil
}

// ParseKey reads an unencrypted private RSA key in PEM: PKCS#8, or PKCS#1 as agents before 0.9 wrote it.
func ParseKey(text []byte) (*Key, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("connection: private key must be PEM text, beginning with " +
			"-----BEGIN PRIVATE KEY----- or -----BEGIN RSA PRIVATE KEY-----")
	}
	if block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "" {
		return nil, errors.New("connection: private key is encrypted, it must be stored without a passphrase")
	}
	var parsed any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		parsed, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		parsed, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	default:
		return nil, fmt.Errorf("connection: PEM block %.64q must be PRIVATE KEY or RSA PRIVATE KEY", block.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("connection: private key is damaged: %w", err)
	}
	k, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("connection: private key of type %T must be an RSA key", parsed)
	}
	return NewKey(k)
}

// Public returns the half of k that the hub knows.
func (k *Key) Public() PublicKey { return PublicKey{&k.rsa.PublicKey} }

// MarshalPEM returns k as PKCS#8 in PEM, the form of a key file. It is secret.
func (k *Key) MarshalPEM() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k.rsa)
	if err != nil {
		return nil, fmt.Errorf("connection: key not written: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// String returns the fingerprint, so that a key never ends up in a log.
func (k *Key) String() string { return "RSA key " + k.Public().Fingerprint() }

// GoString is [Key.String].
func (k *Key) GoString() string { return k.String() }

// PublicKey is what the hub knows of an agent: an RSA public key of [MinKeyBits] to [MaxKeyBits] with the exponent
// 65537. It is an immutable value; compare with [PublicKey.Equal], since two values of one key may differ under ==.
// The zero value is no key.
type PublicKey struct {
	rsa *rsa.PublicKey
}

// ParsePublicKey reads an OpenSSH line, "ssh-rsa AAAA… comment", with or without the comment and a newline, or PEM
// SubjectPublicKeyInfo as agents before 0.9 sent it. Texts over 16 KiB are refused unread.
func ParsePublicKey(text string) (PublicKey, error) {
	if len(text) > 16<<10 {
		return PublicKey{}, fmt.Errorf("connection: public key text of %d bytes must have at most 16384", len(text))
	}
	text = strings.TrimSpace(text)
	var k *rsa.PublicKey
	var err error
	if strings.HasPrefix(text, "-----BEGIN") {
		k, err = parsePublicPEM(text)
	} else {
		k, err = parseOpenSSH(text)
	}
	if err != nil {
		return PublicKey{}, err
	}
	if err := checkPublic(k); err != nil {
		return PublicKey{}, err
	}
	return PublicKey{k}, nil
}

func parsePublicPEM(text string) (*rsa.PublicKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil || block.Type != "PUBLIC KEY" {
		return nil, errors.New("connection: public key in PEM must be one whole block PUBLIC KEY")
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("connection: public key is damaged: %w", err)
	}
	k, ok := parsed.(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("connection: public key of type %T must be an RSA key", parsed)
	}
	return k, nil
}

const sshType = "ssh-rsa"

// parseOpenSSH reads the type, the base64 of the blob (RFC 4253, 6.6: the type again, the exponent and the modulus,
// each with its length before it), and ignores a comment.
func parseOpenSSH(text string) (*rsa.PublicKey, error) {
	kind, rest, _ := strings.Cut(text, " ")
	if kind != sshType {
		return nil, fmt.Errorf("connection: public key of type %.32q must be %q", kind, sshType)
	}
	encoded, comment, _ := strings.Cut(strings.TrimLeft(rest, " "), " ")
	if strings.ContainsAny(comment, "\r\n") {
		return nil, errors.New("connection: public key must be one line")
	}
	blob, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil || strings.ContainsAny(encoded, "\r\n") { // the decoder skips line ends
		return nil, errors.New("connection: public key must be \"ssh-rsa\", a blank, and the key in base64")
	}
	var fields [3][]byte
	for i := range fields {
		if len(blob) < 4 || uint64(binary.BigEndian.Uint32(blob)) > uint64(len(blob)-4) {
			return nil, errors.New("connection: public key is cut off")
		}
		n := binary.BigEndian.Uint32(blob)
		fields[i], blob = blob[4:4+n], blob[4+n:]
	}
	if string(fields[0]) != sshType || len(blob) > 0 {
		return nil, errors.New("connection: public key must hold one RSA key and nothing else")
	}
	for _, number := range fields[1:] {
		// One key has one text: positive numbers without needless leading zeros only.
		if len(number) == 0 || number[0] >= 0x80 || number[0] == 0 && (len(number) == 1 || number[1] < 0x80) {
			return nil, errors.New("connection: public key must hold positive numbers in their shortest form")
		}
	}
	exponent, modulus := new(big.Int).SetBytes(fields[1]), new(big.Int).SetBytes(fields[2])
	if !exponent.IsInt64() || exponent.Int64() != publicExponent {
		return nil, fmt.Errorf("connection: public exponent must be %d", publicExponent)
	}
	return &rsa.PublicKey{N: modulus, E: publicExponent}, nil
}

func checkPublic(k *rsa.PublicKey) error {
	switch bits := k.N.BitLen(); {
	case bits < MinKeyBits || bits > MaxKeyBits:
		return fmt.Errorf("connection: RSA key of %d bits must have %d to %d", bits, MinKeyBits, MaxKeyBits)
	case k.E != publicExponent:
		return fmt.Errorf("connection: public exponent %d must be %d", k.E, publicExponent)
	case k.N.Bit(0) == 0:
		return errors.New("connection: RSA modulus must be odd")
	}
	return nil
}

// IsZero reports whether k is the zero value, which is no key.
func (k PublicKey) IsZero() bool { return k.rsa == nil }

// Equal reports whether both are the same key, whatever text they came from.
func (k PublicKey) Equal(other PublicKey) bool {
	if k.IsZero() || other.IsZero() {
		return k.IsZero() == other.IsZero()
	}
	return k.rsa.Equal(other.rsa)
}

// Bits returns the size of the modulus.
func (k PublicKey) Bits() int {
	if k.IsZero() {
		return 0
	}
	return k.rsa.N.BitLen()
}

// String returns the OpenSSH line without comment and newline: the canonical text of a key, which agents send at
// login. It is "" for the zero value.
func (k PublicKey) String() string {
	if k.IsZero() {
		return ""
	}
	return sshType + " " + base64.StdEncoding.EncodeToString(k.blob())
}

// Fingerprint returns "SHA256:" and 43 characters, as ssh-keygen -l shows a key.
func (k PublicKey) Fingerprint() string {
	if k.IsZero() {
		return ""
	}
	sum := sha256.Sum256(k.blob())
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}

// blob is the binary form of RFC 4253, 6.6.
func (k PublicKey) blob() []byte {
	var b bytes.Buffer
	for _, field := range [][]byte{[]byte(sshType), signed(big.NewInt(int64(k.rsa.E))), signed(k.rsa.N)} {
		var n [4]byte
		binary.BigEndian.PutUint32(n[:], uint32(len(field)))
		b.Write(n[:])
		b.Write(field)
	}
	return b.Bytes()
}

// signed returns a positive number in big-endian two's complement, the shortest.
func signed(n *big.Int) []byte {
	b := n.Bytes()
	if len(b) > 0 && b[0] >= 0x80 {
		b = append([]byte{0}, b...)
	}
	return b
}
