package identity_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/identity"
)

func seeded(t testing.TB, first byte) *identity.Key {
	t.Helper()
	k, err := identity.FromSeed([identity.SeedSize]byte{first})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// The pin of a seed must never change: players have it in their address books.
func TestPinIsForEver(t *testing.T) {
	k := seeded(t, 7)
	const want = "qisyqwhrqg3knz3x7vtfmggxzy"
	if k.Pin() != want {
		t.Errorf("pin %s, want %s", k.Pin(), want)
	}
	if k.Public().Pin() != want {
		t.Errorf("pin of the public keys %s, want %s", k.Public().Pin(), want)
	}
	if seeded(t, 8).Pin() == want {
		t.Error("two seeds have one pin")
	}
}

func TestPinCoversBothKeys(t *testing.T) {
	pub := seeded(t, 1).Public()
	ed, x := pub, pub
	ed.Ed25519[31] ^= 1
	x.X25519[31] ^= 1
	if pub.Pin() == ed.Pin() || pub.Pin() == x.Pin() || ed.Pin() == x.Pin() {
		t.Error("the pin does not depend on both keys")
	}
}

func TestKeysBelongTogether(t *testing.T) {
	k := seeded(t, 3)
	pub := k.Public()
	if string(k.Ed25519().Seed()) == string(k.X25519().Bytes()) {
		t.Error("both keys have one seed")
	}
	if string(k.X25519().PublicKey().Bytes()) != string(pub.X25519[:]) {
		t.Error("the public X25519 key is another key's")
	}
	if string(k.Ed25519()[32:]) != string(pub.Ed25519[:]) {
		t.Error("the public Ed25519 key is another key's")
	}
}

func TestParseReadsSecret(t *testing.T) {
	k, err := identity.Generate()
	if err != nil {
		t.Fatal(err)
	}
	again, err := identity.Parse(" " + k.Secret() + "\r\n")
	if err != nil {
		t.Fatal(err)
	}
	if again.Public() != k.Public() || again.Secret() != k.Secret() {
		t.Error("the key changed on its way through text")
	}
}

func TestParseRefuses(t *testing.T) {
	secret := seeded(t, 1).Secret()
	for name, text := range map[string]string{
		"empty":       " \n",
		"a pin":       seeded(t, 1).Pin(),
		"short":       secret[:len(secret)-1],
		"long":        secret + "a",
		"upper case":  strings.ToUpper(secret),
		"odd letter":  secret[:len(secret)-2] + "1a",
		"odd end":     secret[:len(secret)-1] + "7",
		"wrong start": strings.Replace(secret, "-1-", "-2-", 1),
	} {
		k, err := identity.Parse(text)
		if k != nil || !errors.Is(err, core.ErrMalformed) {
			t.Errorf("%s: %v, %v; want core.ErrMalformed", name, k, err)
		} else if len(text) > 40 && strings.Contains(err.Error(), text[20:40]) {
			t.Errorf("%s: the error shows the secret: %v", name, err)
		}
	}
}

func TestPrintingShowsNoSecret(t *testing.T) {
	k := seeded(t, 5)
	var b strings.Builder
	fmt.Fprintf(&b, "%v %+v %#v %s %q", k, k, k, k, k)
	slog.New(slog.NewTextHandler(&b, nil)).Info("key", "key", k)
	slog.New(slog.NewJSONHandler(&b, nil)).Info("key", "key", k)
	if strings.Contains(b.String(), k.Secret()[20:]) || strings.Contains(b.String(), "seed") {
		t.Errorf("the secret shows in %s", b.String())
	}
	if !strings.Contains(b.String(), k.Pin()) {
		t.Errorf("the pin is missing in %s", b.String())
	}
}
