package connection

import (
	"bytes"
	"encoding/base64"
	"testing"
)

func TestChallengesDecryptAndHashAsTheOriginal(t *testing.T) {
	v, k := goldenLogin(t), goldenKey(t)
	if len(v.Challenges) == 0 || len(v.Bad) == 0 {
		t.Fatal("no cases")
	}
	for _, c := range v.Challenges {
		plaintext, err := k.Decrypt(unbase64(t, c.Challenge))
		if err != nil {
			t.Errorf("challenge of %q: %v", c.Plaintext, err)
			continue
		}
		if want := unbase64(t, c.Plaintext); !bytes.Equal(plaintext, want) {
			t.Errorf("plaintext %x, want %x", plaintext, want)
		}
		h := ChallengeHash(plaintext)
		if got := base64.StdEncoding.EncodeToString(h[:]); got != c.C {
			t.Errorf("hash of %q is %s, want %s", c.Plaintext, got, c.C)
		}
	}
	for _, c := range v.Bad {
		if _, err := k.Decrypt(unbase64(t, c.Challenge)); (err == nil) != c.Accepts {
			t.Errorf("%s: got error %v, accepted should be %v", c.Name, err, c.Accepts)
		}
	}
}

func TestSignaturesVerifyAsAtTheOriginalHub(t *testing.T) {
	v := goldenLogin(t)
	public, err := ParsePublicKey(v.OpenSSH)
	if err != nil {
		t.Fatal(err)
	}
	if len(v.Signatures) == 0 {
		t.Fatal("no cases")
	}
	for _, c := range v.Signatures {
		if got := public.Verify([32]byte(unbase64(t, c.Hash)), unbase64(t, c.S)); got != c.Valid {
			t.Errorf("%s: verified %v, want %v", c.Name, got, c.Valid)
		}
	}
}

func TestChallengeRoundTrip(t *testing.T) {
	k := goldenKey(t)
	plaintext := bytes.Repeat([]byte{7}, ChallengeSize)
	challenge, err := k.Public().Encrypt(plaintext)
	if err != nil {
		t.Fatal(err)
	}
	got, err := k.Decrypt(challenge)
	if err != nil || !bytes.Equal(got, plaintext) {
		t.Fatalf("decrypted %x, %v; want %x", got, err, plaintext)
	}
	h := ChallengeHash(got)
	signature, err := k.Sign(h)
	if err != nil {
		t.Fatal(err)
	}
	if !k.Public().Verify(h, signature) {
		t.Error("own signature does not verify")
	}
	if (PublicKey{}).Verify(h, signature) {
		t.Error("no key verified a signature")
	}
	if _, err := (PublicKey{}).Encrypt(plaintext); err == nil {
		t.Error("no key encrypted a challenge")
	}
}
