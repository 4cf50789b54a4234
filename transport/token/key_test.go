package token

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/parley-net/parley/core"
)

func TestParseKeyReadsSecret(t *testing.T) {
	k, err := GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseKey(" " + k.Secret() + "\r\n")
	if err != nil {
		t.Fatal(err)
	}
	if again.Secret() != k.Secret() || again.String() != k.String() {
		t.Error("the key changed on its way through text")
	}
	other, err := GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	if other.Secret() == k.Secret() || other.id == k.id {
		t.Error("two keys are one")
	}
}

func TestParseKeyRefuses(t *testing.T) {
	secret := seeded(t, 1).Secret()
	for name, text := range map[string]string{
		"empty":          " \n",
		"a server's key": strings.Replace(secret, "-token", "", 1),
		"short":          secret[:len(secret)-1],
		"long":           secret + "a",
		"upper case":     strings.ToUpper(secret),
		"odd letter":     secret[:len(secret)-2] + "1a",
		"odd end":        secret[:len(secret)-1] + "7",
		"line break":     secret[:len(secret)-2] + "\n\n",
		"wrong start":    strings.Replace(secret, "-1-", "-2-", 1),
	} {
		k, err := ParseKey(text)
		if k != (Key{}) || !errors.Is(err, core.ErrMalformed) {
			t.Errorf("%s: %v, %v; want core.ErrMalformed", name, k, err)
		} else if len(text) > 50 && strings.Contains(err.Error(), text[30:50]) {
			t.Errorf("%s: the error shows the secret: %v", name, err)
		}
	}
}

func TestPrintingAKeyShowsItsNumberOnly(t *testing.T) {
	k := seeded(t, 5)
	if want := fmt.Sprintf("token key %x", k.id); k.String() != want {
		t.Errorf("it prints as %q, want %q", k, want)
	}
	var b strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%b", "%t"} {
		fmt.Fprintf(&b, verb+"\n", k)
		fmt.Fprintf(&b, verb+"\n", &k)
		fmt.Fprintf(&b, verb+"\n", []Key{k})
		fmt.Fprintf(&b, verb+"\n", Config{Keys: []Key{k}})
	}
	text, json := slog.New(slog.NewTextHandler(&b, nil)), slog.New(slog.NewJSONHandler(&b, nil))
	for _, log := range []*slog.Logger{text, json} {
		log.Info("key", "key", k, "pointer", &k, "config", Config{Keys: []Key{k}})
	}
	for _, s := range shapes(k.secret[:], k.Secret()[len(keyPrefix):]) {
		if strings.Contains(b.String(), s) {
			t.Errorf("%q shows the secret", s)
		}
	}
}

// shapes returns how a secret looks where it is printed: whole, or cut.
func shapes(secret []byte, texts ...string) (all []string) {
	cut := secret[1:9]
	all = append(texts, string(cut),
		fmt.Sprintf("%x", cut), fmt.Sprintf("%X", cut), fmt.Sprintf("% x", cut),
		strings.Trim(fmt.Sprintf("%d", cut), "[]"),
		strings.ReplaceAll(strings.Trim(fmt.Sprintf("%d", cut), "[]"), " ", ","),
		strings.Trim(fmt.Sprintf("%b", cut), "[]"),
		strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", cut), "[]byte{"), "}"),
		strings.Trim(fmt.Sprintf("%q", cut), `"`),
	)
	return all
}
