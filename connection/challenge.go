package connection

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
)

// ChallengeSize is how many random bytes a hub encrypts to challenge an agent.
const ChallengeSize = 64

// hashRounds is how often the plaintext of a challenge is fed into one digest. The protocol's number, without a
// deeper meaning.
const hashRounds = 30

// Encrypt returns the challenge for a plaintext, usually [ChallengeSize] random bytes: RSA-OAEP with SHA-256, MGF1
// of SHA-256 and no label. It takes about 0.2 ms and is what any stranger who knows a public key can make a hub do.
func (k PublicKey) Encrypt(plaintext []byte) ([]byte, error) {
	if k.IsZero() {
		return nil, errors.New("connection: no public key to encrypt with")
	}
	challenge, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, k.rsa, plaintext, nil)
	if err != nil {
		return nil, fmt.Errorf("connection: challenge of %d bytes not encrypted: %w", len(plaintext), err)
	}
	return challenge, nil
}

// Decrypt returns the plaintext of a challenge made with [PublicKey.Encrypt] for this key.
func (k *Key) Decrypt(challenge []byte) ([]byte, error) {
	plaintext, err := rsa.DecryptOAEP(sha256.New(), nil, k.rsa, challenge, nil)
	if err != nil {
		return nil, errors.New("connection: challenge cannot be decrypted with this key")
	}
	return plaintext, nil
}

// ChallengeHash returns what proves that a challenge was decrypted: SHA-256 over thirty copies of the plaintext, one
// after the other.
func ChallengeHash(plaintext []byte) (h [sha256.Size]byte) {
	digest := sha256.New()
	for range hashRounds {
		digest.Write(plaintext)
	}
	digest.Sum(h[:0])
	return h
}

// Sign returns the RSA-PSS signature of a challenge hash: over SHA-256 of the hash, with MGF1 of SHA-256 and the
// longest salt that fits. It takes about 5 ms.
func (k *Key) Sign(hash [sha256.Size]byte) ([]byte, error) {
	digest := sha256.Sum256(hash[:])
	signature, err := rsa.SignPSS(rand.Reader, k.rsa, crypto.SHA256, digest[:],
		&rsa.PSSOptions{SaltLength: k.Public().saltLength(), Hash: crypto.SHA256})
	if err != nil {
		return nil, fmt.Errorf("connection: challenge not signed: %w", err)
	}
	return signature, nil
}

// Verify reports whether signature is one that [Key.Sign] makes of hash. A shorter salt than the longest one is
// refused, as the protocol demands.
func (k PublicKey) Verify(hash [sha256.Size]byte, signature []byte) bool {
	if k.IsZero() {
		return false
	}
	digest := sha256.Sum256(hash[:])
	return rsa.VerifyPSS(k.rsa, crypto.SHA256, digest[:], signature,
		&rsa.PSSOptions{SaltLength: k.saltLength(), Hash: crypto.SHA256}) == nil
}

// saltLength is the longest salt that fits the key (RFC 8017, 9.1.1): 478 bytes for 4096 bits.
func (k PublicKey) saltLength() int { return (k.rsa.N.BitLen()-1+7)/8 - 2 - sha256.Size }
