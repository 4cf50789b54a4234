package gate

import (
	"bytes"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"github.com/parley-net/parley/transport/identity"
)

// The vectors of docs/protocol.md are what this package makes and understands. That
// they follow from what the page says is held by a test of package udp.
func TestVectors(t *testing.T) {
	page, err := os.ReadFile("../../../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(page), "\n## Vectors\n")
	v := make(map[string][]byte)
	for line := range strings.Lines(list) {
		if name, value, ok := strings.Cut(line, " = "); ok {
			if v[name], err = hex.DecodeString(strings.TrimSpace(value)); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
	is := func(name string, got []byte) {
		t.Helper()
		if !bytes.Equal(got, v[name]) {
			t.Errorf("%s = %x", name, got)
		}
	}
	key, err := identity.FromSeed([identity.SeedSize]byte(v["seed of the server's identity"]))
	if err != nil {
		t.Fatal(err)
	}
	is("pin, as text", []byte(key.Pin()))
	r, ok := parseRetry(v["RETRY"], KindUDP)
	if !ok || r.keys != key.Public() {
		t.Fatalf("RETRY was read as %+v", r)
	}
	is("RETRY", appendRetry(nil, KindUDP, &r))

	// The client's side.
	o, ok := parseOffer(v["payload of Noise message 1"])
	if !ok || !bytes.Equal(o.token, v["sealed token"]) {
		t.Fatalf("the offer was read as %+v", o)
	}
	c, err := newClientShake(r.keys, [32]byte(v["pre-shared key"]), prologue(KindUDP, &r), o)
	if err != nil {
		t.Fatal(err)
	}
	c.ephemeral = [32]byte(v["client's ephemeral private key"])
	if _, c.message, err = c.start(c.config); err != nil {
		t.Fatal(err)
	}
	is("Noise message 1", c.message)
	packet := appendHello(nil, hello{kind: KindUDP, cid: r.cid, cookie: r.cookie, noise: c.message})
	is("HELLO, without its zeros", bytes.TrimRight(packet, "\x00"))
	_, msg, ok := parseAnswer(v["WELCOME"], typeWelcome, KindUDP)
	if !ok {
		t.Fatal("WELCOME was not read")
	}
	payload, keys, err := c.read(msg, false)
	if err != nil {
		t.Fatal(err)
	}
	g, ok := parseGrant(payload)
	if !ok || !bytes.Equal(g.reset[:], v["reset token"]) || g.cid != order.Uint64(v["server's connection id"]) {
		t.Fatalf("the grant was read as %+v", g)
	}
	is("secret of the client's packets", keys.toServer)
	is("secret of the server's packets", keys.toClient)

	// The server's side.
	h, ok := parseHello(packet)
	if !ok || h.cookie != r.cookie {
		t.Fatal("HELLO was not read")
	}
	if _, got, err := newServerShake(key, prologue(KindUDP, &r), h.noise); err != nil || !bytes.Equal(got.token, o.token) || got.idle != o.idle {
		t.Fatalf("the server reads %+v, %v", got, err)
	}
	in, err := newOpener(keys.toServer)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []struct {
		name    string
		pn      uint64
		payload []byte
	}{
		{"client's packet 0, a PING", 0, []byte{opPing}},
		{"client's packet 1", 1, v["payload of packet 1"]},
		{"client's packet 4294967298, after an update, payload as of 1", 1<<32 + 2, v["payload of packet 1"]},
	} {
		in.window.next = max(in.window.next, p.pn) // what was lost between them
		pn, payload, _, verdict := in.open(bytes.Clone(v[p.name]), 0)
		if verdict != opened || pn != p.pn || !bytes.Equal(payload, p.payload) {
			t.Errorf("%s: verdict %v, number %d, %x", p.name, verdict, pn, payload)
		}
	}
	is("next secret of the client's packets", in.now.secret)
	k, err := newKey(keys.toServer)
	if err != nil {
		t.Fatal(err)
	}
	out := sealer{key: k, peer: g.cid, packets: rekeyPackets}
	for _, name := range []string{"client's packet 0, a PING", "client's packet 1"} {
		buf := make([]byte, MaxDatagram)
		n := copy(buf[sealedHeader:], v["payload of packet 1"])
		if out.next == 0 {
			buf[sealedHeader], n = opPing, 1
		}
		is(name, out.seal(buf, n, out.next == 0))
	}
}
