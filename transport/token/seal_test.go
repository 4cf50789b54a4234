package token

import (
	"bytes"
	"encoding/hex"
	"math/rand/v2"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// vector reads the fixed token.
func vector(t testing.TB) map[string]string {
	t.Helper()
	text, err := os.ReadFile("testdata/vector.txt")
	if err != nil {
		t.Fatal(err)
	}
	fields := make(map[string]string)
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ": "); ok && name[0] != '#' {
			fields[name] = value
		}
	}
	return fields
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func number(t testing.TB, s string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// The vector was made by another implementation, of XChaCha20-Poly1305 also. It must
// never change: it is what login services in other languages are tested with.
func TestVector(t *testing.T) {
	f := vector(t)
	if len(f) != 16 {
		t.Fatalf("the vector has %d fields, want 16", len(f))
	}
	key, err := ParseKey(f["key text"])
	if err != nil {
		t.Fatal(err)
	}
	if hex.EncodeToString(key.secret[:]) != f["key"] || hex.EncodeToString(key.id[:]) != f["key number"] {
		t.Errorf("the key is %x with number %x", key.secret, key.id)
	}
	c := content{
		id: [idSize]byte(unhex(t, f["id"])), psk: PSK(unhex(t, f["psk"])), issued: number(t, f["issued"]),
		user: f["user"], servers: strings.Fields(f["servers"]), data: []byte(f["data"]),
	}
	expires := number(t, f["expires"])
	if got := hex.EncodeToString(header{key.id, expires}.append(nil)); got != f["header"] {
		t.Errorf("the header is\n%s, want\n%s", got, f["header"])
	}
	if got := hex.EncodeToString(c.append(nil)); got != f["content"] {
		t.Errorf("the content is\n%s, want\n%s", got, f["content"])
	}
	sealed := seal(key, expires, [nonceSize]byte(unhex(t, f["nonce"])), &c)
	if got := hex.EncodeToString(sealed); got != f["sealed"] {
		t.Errorf("the sealed token is\n%s, want\n%s", got, f["sealed"])
	}
	tok := Token{Addr: f["address"], Sealed: sealed, PSK: c.psk}
	if got := tok.text(); got != f["text"] {
		t.Errorf("the text is\n%s, want\n%s", got, f["text"])
	}
	if got, err := Parse(f["text"]); err != nil || !reflect.DeepEqual(got, tok) {
		t.Errorf("the text gives %v, %v", got, err)
	}
	v := verifier(t, Config{Keys: []Key{key}, Server: "eu-2"})
	v.start = c.issued // long ago by now
	p, err := v.Open(sealed, time.UnixMilli(c.issued))
	want := &Pass{ID: c.id, User: c.user, Data: c.data, PSK: c.psk, Expires: time.UnixMilli(expires)}
	if err != nil || !reflect.DeepEqual(p, want) {
		t.Errorf("it opens as %v, %v; want %v", p, err, want)
	}
}

func TestContentRefuses(t *testing.T) {
	whole := content{user: "ann", servers: []string{"a", "b"}, data: []byte("x")}
	good := whole.append(nil)
	const user, servers = fixedSize, fixedSize + 4 // where their lengths stand
	const data = servers + 5
	change := func(at int, to ...byte) []byte {
		b := append([]byte(nil), good...)
		copy(b[at:], to)
		return b
	}
	full := content{user: strings.Repeat("u", maxUser), servers: []string{"a"}, data: make([]byte, MaxData)}
	full.servers[0] = strings.Repeat("s", maxContent-maxUser-MaxData-1)
	brim := full.append(nil)
	tests := []struct {
		name string
		b    []byte
		want string // "" where it is right
	}{
		{"as it was made", good, ""},
		{"full to the brim", brim, ""},
		{"empty", nil, "0 bytes"},
		{"short", good[:len(good)-1], "458 bytes"},
		{"long", append(good[:len(good):len(good)], 0), "460 bytes"},
		{"zeros", make([]byte, contentSize), "the user has no name"},
		{"no user", change(user, 0, 1, 1, 's'), "the user has no name"},
		{"user too long", append(append(change(0)[:user], maxUser+1), make([]byte, contentSize-user-1)...), "at most 128"},
		{"user is no text", change(user+1, 0xff), "no UTF-8"},
		{"no servers", change(servers, 0, 0, 0, 0, 0, 0, 0, 0), "names no server"},
		{"more servers than fit", append(change(servers, 255)[:servers+1], bytes.Repeat([]byte{1}, contentSize-servers-1)...), "ends in the middle"},
		{"server without a name", change(servers+1, 0), "the server has no name"},
		{"server is no text", change(servers+2, 0x80), "no UTF-8"},
		{"server too long", change(servers+3, 255), "255 bytes, at most 64"},
		{"data to the end", change(data, 0xff, 0xff), "ends in the middle"},
		{"data too long", change(data, 1, 1), "257 bytes, at most 256"},
		{"data shorter than it was", change(data, 0), "behind its end"},
		{"something at the end", change(contentSize-1, 1), "behind its end"},
	}
	for _, tt := range tests {
		c, err := parseContent(tt.b)
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s: %v", tt.name, err)
		case tt.want == "" && string(c.append(nil)) != string(tt.b):
			t.Errorf("%s: it was read as %+v, which is written otherwise", tt.name, c)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: %v, want an error with %q", tt.name, err, tt.want)
		}
	}
}

// TestContentRoundTrip holds that what check accepts fits and is read back equal.
func TestContentRoundTrip(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	for range 2000 {
		g := anyGrant(r)
		c := content{issued: r.Int64(), user: g.User, servers: g.Servers, data: g.Data}
		c.id[0], c.psk[0] = byte(r.Uint32()), byte(r.Uint32())
		if err := c.check(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		got, err := parseContent(c.append(nil))
		if err != nil || !reflect.DeepEqual(got, c) {
			t.Fatalf("seed %d: %+v became %+v, %v", seed, c, got, err)
		}
	}
}

// FuzzContent opens what somebody with the key sealed: a login service that is not ours.
func FuzzContent(f *testing.F) {
	c := content{user: "ann", servers: []string{"eu-1"}, data: []byte("x"), issued: 946684800000}
	f.Add(c.append(nil))
	f.Add(make([]byte, contentSize))
	f.Add([]byte{})
	for at := fixedSize; at < fixedSize+16; at++ {
		b := c.append(nil)
		b[at] ^= 0xff
		f.Add(b)
	}
	key := seeded(f, 1)
	v := verifier(f, Config{Keys: []Key{key}, Server: "eu-1"})
	v.start = 946684800000
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := parseContent(b)
		if err == nil {
			if got := c.append(nil); string(got) != string(b) {
				t.Fatalf("%x was read, and written as %x", b, got)
			}
		}
		if len(b) != contentSize {
			return
		}
		sealed := header{key.id, v.start + 1000}.append(nil)
		sealed = append(sealed, make([]byte, nonceSize)...)
		sealed = key.aead.Seal(sealed, sealed[headerSize:], b, sealed[:headerSize])
		p, err := v.Open(sealed, time.UnixMilli(v.start))
		if err != nil {
			refused(t, err, "")
		} else if p.ID != c.id || p.User != c.user || string(p.Data) != string(c.data) || p.PSK != c.psk {
			t.Fatalf("%x opens as %v", b, p)
		}
	})
}

func TestOpenRefusesAuthenticNonsense(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := seeded(t, 1)
		v := verifier(t, Config{Keys: []Key{key}, Server: "eu-1"})
		now := time.Now().UnixMilli()
		c := content{issued: now, user: "ann", servers: []string{"eu-1"}}
		for _, tt := range []struct {
			name    string
			issued  int64
			expires int64
			want    string // "" where it is right
		}{
			{"the longest life", now, now + MaxTTL.Milliseconds(), ""},
			{"too long a life", now - 1, now + MaxTTL.Milliseconds(), "longer than 5m0s"},
			{"no life", now + 1, now + 1, "or not at all"},
			{"issued after it expires", now + 2, now + 1, "or not at all"},
			{"issued before time began", -1 << 63, now + 1, "longer than 5m0s"},
			{"issued at the end of time", 1<<63 - 1, now + 1, "or not at all"},
			{"expires at the end of time", now, 1<<63 - 1, "too far in the future"},
			{"expires later than any", now, now + MaxTTL.Milliseconds() + DefaultSkew.Milliseconds() + 1, "too far in the future"},
			{"expired before time began", now, -1 << 63, "expired: get a new one"},
		} {
			c.issued = tt.issued
			_, err := v.Open(seal(key, tt.expires, [nonceSize]byte{}, &c), time.Now())
			if tt.want != "" {
				refused(t, err, tt.want)
			} else if err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
		}
		c.issued = now
		nameless := c
		nameless.user = ""
		_, err := v.Open(seal(key, now+1, [nonceSize]byte{}, &nameless), time.Now())
		refused(t, err, "authentic and malformed: the user has no name")
	})
}
