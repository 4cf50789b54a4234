package token

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley/core"
)

// TestRoundTrip holds that what a login service grants is what the server learns, and
// that client and server have one PSK.
func TestRoundTrip(t *testing.T) {
	seed := rand.Uint64()
	synctest.Test(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(seed, 0))
		keys := []Key{seeded(t, 1)}
		for range 300 {
			g := anyGrant(r)
			tok := issue(t, keys, g)
			v := verifier(t, Config{Keys: keys, Server: g.Servers[r.IntN(len(g.Servers))]})
			p, err := v.Open(tok.Sealed, time.Now())
			if err != nil {
				t.Fatalf("seed %d: %+v: %v", seed, g, err)
			}
			if tok.Addr != g.Addr || len(tok.Sealed) != Size {
				t.Fatalf("seed %d: granted %+v, and the client has %v with %d bytes", seed, g, tok, len(tok.Sealed))
			}
			want := &Pass{ID: p.ID, User: g.User, Data: g.Data, PSK: tok.PSK, Expires: time.Now().Add(g.TTL.Truncate(time.Millisecond))}
			if !p.Expires.Equal(want.Expires) {
				t.Fatalf("seed %d: granted %v, and it expires %v", seed, g.TTL, p.Expires)
			}
			p.Expires = want.Expires
			if !reflect.DeepEqual(p, want) {
				t.Fatalf("seed %d: granted %+v, and the server has %+v", seed, g, p)
			}
			if err := v.Consume(p, time.Now()); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
	})
}

// TestEveryTokenIsNew holds that nothing in two tokens for the same grant is the same by
// chance: number, PSK, nonce.
func TestEveryTokenIsNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keys := []Key{seeded(t, 1)}
		v := verifier(t, Config{Keys: keys, Server: "eu-1"})
		g := Grant{User: "ann", Servers: []string{"eu-1"}}
		seen := make(map[string]bool)
		for range 100 {
			tok := issue(t, keys, g)
			p, err := v.Open(tok.Sealed, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			for _, part := range [][]byte{p.ID[:], p.PSK[:], tok.Sealed[headerSize : headerSize+nonceSize]} {
				if seen[string(part)] {
					t.Fatalf("%x was there before", part)
				}
				seen[string(part)] = true
			}
		}
	})
}

// TestParseRefusesDamage holds that every beginning of a text, and every text in which
// one byte is another, is refused.
func TestParseRefusesDamage(t *testing.T) {
	text := vector(t)["text"]
	for n := range len(text) {
		if tok, err := Parse(text[:n]); !errors.Is(err, core.ErrMalformed) {
			t.Fatalf("the first %d characters give %v, %v", n, tok, err)
		}
	}
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_" + "=+/ \n\x00\xff"
	for i := range len(text) {
		b := []byte(text)
		for _, c := range []byte(digits) {
			if b[i] = c; b[i] == text[i] {
				continue
			}
			if tok, err := Parse(string(b)); !errors.Is(err, core.ErrMalformed) {
				t.Fatalf("character %d as %#x gives %v, %v", i, c, tok, err)
			}
		}
	}
}

func TestParseRefuses(t *testing.T) {
	text := vector(t)["text"]
	// whole makes a text of any parts, with the right check sum.
	whole := func(size int, addr string, length int) string {
		b := append(make([]byte, size), byte(length))
		b = append(b, addr...)
		b = order.AppendUint32(b, crc32.ChecksumIEEE(b))
		return textPrefix + base64.RawURLEncoding.EncodeToString(b)
	}
	const size = Size + pskSize
	for _, tt := range []struct {
		name, text, want string // want "" where it is right
	}{
		{"space around it", " \t" + text + "\r\n", ""},
		{"no address", whole(size, "", 0), ""},
		{"a long address", whole(size, strings.Repeat("a", 255), 255), ""},
		{"empty", "", "begins with"},
		{"a key", seeded(t, 1).Secret(), "begins with"},
		{"another version", strings.Replace(text, "-1-", "-2-", 1), "begins with"},
		{"twice", text + text, "characters"},
		{"endless", text + strings.Repeat("A", 1<<20), "characters"},
		{"two lines", text[:100] + "\n" + text[100:], "changed"},
		{"padded", text + "=", "damaged"},
		{"another base64", strings.NewReplacer("-", "+", "_", "/").Replace(text[len(textPrefix):]), "begins with"},
		{"nothing in it", textPrefix, "cut"},
		{"shorter seal", whole(size-1, "a", 1), "cut"},
		{"longer seal", whole(size+1, "a", 1), "cut"},
		{"shorter address", whole(size, "a", 2), "cut"},
		{"longer address", whole(size, "ab", 1), "cut"},
		{"bad pin", whole(size, "a:1#b", 5), "the token's address is none: the pin"},
	} {
		tok, err := Parse(tt.text)
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s: %v", tt.name, err)
		case tt.want == "":
		case !errors.Is(err, core.ErrMalformed) || !strings.Contains(err.Error(), tt.want) || tok.Sealed != nil:
			t.Errorf("%s: %v, %v; want core.ErrMalformed with %q", tt.name, tok, err, tt.want)
		case len(tt.text) > 100 && strings.Contains(err.Error(), tt.text[60:80]):
			t.Errorf("%s: the error shows the token: %v", tt.name, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	text := vector(f)["text"]
	for _, s := range []string{"", text, " " + text + "\n", text[:len(text)-1], text + "A", textPrefix, strings.ToUpper(text), "\x00", seeded(f, 1).Secret()} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		tok, err := Parse(text)
		if err != nil {
			if !errors.Is(err, core.ErrMalformed) || tok.Sealed != nil || tok.Addr != "" || tok.PSK != (PSK{}) {
				t.Fatalf("Parse(%q) = %v, %v", text, tok, err)
			}
			return
		}
		if len(tok.Sealed) != Size || tok.text() != strings.TrimSpace(text) {
			t.Fatalf("Parse(%q) = %v, which is written as %q", text, tok, tok.text())
		}
	})
}

func TestPrintingShowsNoPSK(t *testing.T) {
	tok, err := Parse(vector(t)["text"])
	if err != nil {
		t.Fatal(err)
	}
	if want := "token for " + vector(t)["address"]; tok.String() != want || fmt.Sprint(tok) != want {
		t.Errorf("it prints as %v, want %q", tok, want)
	}
	if got := fmt.Sprint(Token{}); got != "token for a server" {
		t.Errorf("the zero Token prints as %q", got)
	}
	pass := Pass{User: "ann", PSK: tok.PSK}
	if got := fmt.Sprint(pass); got != `pass of "ann"` {
		t.Errorf("a Pass prints as %q", got)
	}
	type holder struct {
		Token Token
		Pass  *Pass
		PSK   PSK
		Any   any
	}
	h := holder{tok, &pass, tok.PSK, &tok.PSK}
	var b strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%b", "%c"} {
		for _, v := range []any{tok, &tok, tok.PSK, &tok.PSK, pass, &pass, h, &h, []PSK{tok.PSK}, map[PSK]PSK{tok.PSK: tok.PSK}} {
			fmt.Fprintf(&b, verb+"\n", v)
		}
	}
	text, js := slog.New(slog.NewTextHandler(&b, nil)), slog.New(slog.NewJSONHandler(&b, nil))
	for _, log := range []*slog.Logger{text, js} {
		log.Info("in", "token", tok, "pass", pass, "psk", tok.PSK, "pointer", &tok.PSK, "holder", h)
	}
	out, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	b.Write(out)
	for _, s := range shapes(tok.PSK[:], base64.StdEncoding.EncodeToString(tok.PSK[:])[:20]) {
		if strings.Contains(b.String(), s) {
			t.Errorf("%q shows the PSK", s)
		}
	}
	if json.Unmarshal(out, new(holder)) == nil {
		t.Error("a token without its PSK can be read back from JSON")
	}
}
