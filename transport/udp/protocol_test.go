package udp_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flynn/noise"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/identity"
	"github.com/parley-net/parley/transport/udp"
)

// What follows is a second client, written from docs/protocol.md alone: it shares no
// code with this package and shows that the page is enough.

var le = binary.LittleEndian

func expand(secret []byte, label string, n int) []byte {
	out, err := hkdf.Expand(sha256.New, secret, label, n)
	if err != nil {
		panic(err) // of a constant length
	}
	return out
}

func pinOf(ed, x []byte) string {
	sum := sha256.Sum256(slices.Concat([]byte("parley pin 1\x00"), ed, x))
	return base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding).EncodeToString(sum[:16])
}

func plainHeader(typ byte, cid []byte) []byte {
	return slices.Concat([]byte("prl"), []byte{typ, 1, 1}, cid)
}

func helloPacket(cid, cookie, message []byte) []byte {
	p := append(plainHeader('H', cid), make([]byte, 1200-14)...)
	copy(p[14:], cookie)
	le.PutUint16(p[34:], uint16(len(message)))
	copy(p[36:], message)
	return p
}

// retryFields are what a RETRY holds.
type retryFields struct{ cookie, epoch, ed, x []byte }

func readRetry(p, cid []byte) (r retryFields, err error) {
	if len(p) != 114 || !bytes.Equal(p[:14], plainHeader('R', cid)) {
		return r, fmt.Errorf("%x is no RETRY", p)
	}
	return retryFields{p[14:34], p[34:50], p[50:82], p[82:114]}, nil
}

// initiate begins the Noise handshake and returns its first message.
func initiate(r retryFields, cid, psk []byte, idle uint32, token []byte, random io.Reader) (*noise.HandshakeState, []byte, error) {
	h, err := noise.NewHandshakeState(noise.Config{
		CipherSuite: noise.NewCipherSuite(noise.DH25519, noise.CipherChaChaPoly, noise.HashSHA256),
		Random:      random, Pattern: noise.HandshakeNK, Initiator: true, PeerStatic: r.x,
		Prologue:     slices.Concat([]byte("parley gate 1\x01"), r.epoch, r.ed, cid, r.cookie),
		PresharedKey: psk, PresharedKeyPlacement: 2,
	})
	if err != nil {
		return nil, nil, err
	}
	message, _, _, err := h.WriteMessage(nil, append(le.AppendUint32(nil, idle), token...))
	return h, message, err
}

// sealed is one direction of a connection.
type sealed struct {
	secret []byte
	phase  byte
	next   uint64
}

func (s *sealed) aead() cipher.AEAD {
	block, err := aes.NewCipher(expand(s.secret, "parley 1 key", 16))
	if err != nil {
		panic(err) // of a constant length
	}
	a, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return a
}

func (s *sealed) update() {
	s.secret = expand(s.secret, "parley 1 next", 32)
	s.phase ^= 0x40
}

func (s *sealed) seal(cid []byte, control bool, payload []byte) []byte {
	p := append([]byte{0x80 | s.phase}, cid...)
	if control {
		p[0] |= 0x20
	}
	p = le.AppendUint32(p, uint32(s.next))
	nonce := le.AppendUint64(make([]byte, 4), s.next)
	s.next++
	return s.aead().Seal(p, nonce, payload, p[:13:13])
}

func (s *sealed) open(p []byte) (payload []byte, control bool, err error) {
	if len(p) < 29 || p[0]&0x80 == 0 {
		return nil, false, fmt.Errorf("%x is no sealed packet", p)
	}
	s.next = uint64(le.Uint32(p[9:])) // there are few of them here
	payload, err = s.aead().Open(nil, le.AppendUint64(make([]byte, 4), s.next), p[13:], p[:13])
	return payload, p[0]&0x20 != 0, err
}

// readNumber reads a number of RFC 9000 §16.
func readNumber(b []byte) (n uint64, rest []byte, err error) {
	if len(b) == 0 || len(b) < 1<<(b[0]>>6) {
		return 0, nil, io.ErrUnexpectedEOF
	}
	length := 1 << (b[0] >> 6)
	n = uint64(b[0] & 0x3f)
	for _, c := range b[1:length] {
		n = n<<8 | uint64(c)
	}
	return n, b[length:], nil
}

// aFrame is a frame that the second client knows.
type aFrame struct {
	kind    byte
	numbers []uint64 // of ACK: largest, behind, delay, limit, more, length, …; of DATA: offset
	bytes   []byte
}

func readFrames(p []byte) (out []aFrame, err error) {
	for len(p) > 0 {
		f := aFrame{kind: p[0]}
		p = p[1:]
		number := func() (n uint64) {
			if err == nil {
				n, p, err = readNumber(p)
				f.numbers = append(f.numbers, n)
			}
			return n
		}
		switch f.kind {
		case 0, 1:
		case 2:
			for range 4 {
				number()
			}
			more := number()
			for range 1 + 2*min(more, 31) {
				number()
			}
		case 3, 4:
			if f.kind == 3 {
				number()
			}
			size := number()
			if err == nil && size > uint64(len(p)) {
				err = io.ErrUnexpectedEOF
			}
			if err == nil {
				f.bytes, p = p[:size], p[size:]
			}
		default:
			err = fmt.Errorf("frame of type %d", f.kind)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, nil
}

// secondClient is a connection of the second client.
type secondClient struct {
	socket   net.Conn
	cid, far []byte
	out, in  sealed
}

// connect performs the handshake.
func connect(addr, pin string) (c *secondClient, err error) {
	c = &secondClient{cid: make([]byte, 8)}
	rand.Read(c.cid)
	if c.socket, err = net.Dial("udp", addr); err != nil {
		return nil, err
	}
	c.socket.SetDeadline(time.Now().Add(10 * time.Second))
	answer, err := c.ask(helloPacket(c.cid, nil, nil))
	if err != nil {
		return nil, err
	}
	r, err := readRetry(answer, c.cid)
	if err != nil {
		return nil, err
	}
	if got := pinOf(r.ed, r.x); got != pin {
		return nil, fmt.Errorf("the server has the pin %s", got)
	}
	h, message, err := initiate(r, c.cid, make([]byte, 32), 10_000, nil, rand.Reader)
	if err != nil {
		return nil, err
	}
	if answer, err = c.ask(helloPacket(c.cid, r.cookie, message)); err != nil {
		return nil, err
	}
	if len(answer) < 16 || !bytes.Equal(answer[:14], plainHeader('W', c.cid)) {
		return nil, fmt.Errorf("%x is no WELCOME", answer)
	}
	grant, toServer, toClient, err := h.ReadMessage(nil, answer[16:16+le.Uint16(answer[14:])])
	if err != nil {
		return nil, err
	}
	if len(grant) != 29 || grant[0] != 'W' {
		return nil, fmt.Errorf("%x is no grant", grant)
	}
	c.far = grant[1:9]
	k1, k2 := toServer.UnsafeKey(), toClient.UnsafeKey()
	c.out.secret, c.in.secret = expand(k1[:], "parley 1 packets", 32), expand(k2[:], "parley 1 packets", 32)
	return c, c.send(true, []byte{1}) // PING
}

func (c *secondClient) ask(p []byte) ([]byte, error) {
	if _, err := c.socket.Write(p); err != nil {
		return nil, err
	}
	answer := make([]byte, 2048)
	n, err := c.socket.Read(answer)
	return answer[:n], err
}

func (c *secondClient) send(control bool, payload []byte) error {
	_, err := c.socket.Write(c.out.seal(c.far, control, payload))
	return err
}

// next returns the next payload from the server.
func (c *secondClient) next() (payload []byte, control bool, err error) {
	p := make([]byte, 2048)
	n, err := c.socket.Read(p)
	if err != nil {
		return nil, false, err
	}
	if !bytes.Equal(p[1:9], c.cid) {
		return nil, false, errors.New("a packet for somebody else")
	}
	return c.in.open(p[:n])
}

// A client that was written from docs/protocol.md alone comes in, is understood, and
// understands.
func TestSecondClient(t *testing.T) {
	l, err := udp.New(udp.Config{}).Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := connect(l.Addr().String(), l.(core.Pinner).Pin())
	if err != nil {
		t.Fatal(err)
	}
	defer c.socket.Close()
	seat, err := l.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// Two Reliable messages in one DATA frame, and an Unreliable one.
	if err := c.send(false, slices.Concat([]byte{3, 0, 10, 5}, []byte("hello"), []byte{3}, []byte("you"), []byte{4, 4}, []byte("fast"))); err != nil {
		t.Fatal(err)
	}
	heard := make(map[string]bool)
	for range 3 {
		msg, err := seat.Recv(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		heard[string(msg)] = true
	}
	if got := slices.Sorted(maps.Keys(heard)); !slices.Equal(got, []string{"fast", "hello", "you"}) {
		t.Errorf("the server heard %q", got)
	}
	if err := errors.Join(seat.Send(core.Reliable, []byte("welcome")), seat.Send(core.Unreliable, []byte("tick"))); err != nil {
		t.Fatal(err)
	}
	var stream []byte
	acked, ticked := false, false
	for !acked || !ticked || len(stream) < 8 {
		payload, control, err := c.next()
		if err != nil {
			t.Fatalf("%v, with %q, %v, %v", err, stream, acked, ticked)
		}
		if control {
			continue
		}
		frames, err := readFrames(payload)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range frames {
			switch f.kind {
			case 2: // packet 0 was the PING of the handshake
				acked = acked || f.numbers[0] == 1 && f.numbers[3] >= 393_216
			case 3:
				if int(f.numbers[0]) <= len(stream) {
					stream = append(stream[:f.numbers[0]], f.bytes...)
				}
			case 4:
				ticked = ticked || string(f.bytes) == "tick"
			}
		}
		c.send(false, []byte{2, byte(c.in.next), 0, 0, 0x80, 6, 0, 0, 0, 0}) // ACK of that packet
	}
	if string(stream) != "\x07welcome" {
		t.Errorf("the stream is %q", stream)
	}
	go seat.Close(core.CodeKicked, "enough")
	for {
		payload, control, err := c.next()
		if err != nil {
			t.Fatal(err)
		}
		if control && payload[0] == 5 {
			if code := core.Code(le.Uint16(payload[1:])); code != core.CodeKicked || string(payload[3:]) != "enough" {
				t.Errorf("closed with %v, %q", code, payload[3:])
			}
			break
		}
	}
	if err := c.send(true, []byte{6}); err != nil { // CLOSED
		t.Error(err)
	}
	if _, err := seat.Recv(t.Context()); !errors.Is(err, core.ErrClosed) {
		t.Error(err)
	}
}

const page = "../../docs/protocol.md"

// vectors returns the values that the page gives.
func vectors(t *testing.T) map[string][]byte {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	_, list, ok := strings.Cut(string(text), "\n## Vectors\n")
	if !ok {
		t.Fatal("the page has no vectors")
	}
	out := make(map[string][]byte)
	for line := range strings.Lines(list) {
		name, value, ok := strings.Cut(line, " = ")
		if !ok {
			continue
		}
		if out[name], err = hex.DecodeString(strings.TrimSpace(value)); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	return out
}

// The vectors of docs/protocol.md follow from each other as it says. Package gate has
// a test that holds them against the code.
func TestVectors(t *testing.T) {
	v := vectors(t)
	key, err := identity.FromSeed([identity.SeedSize]byte(v["seed of the server's identity"]))
	if err != nil {
		t.Fatal(err)
	}
	pub := key.Public()
	cid := v["client's connection id"]
	r, err := readRetry(v["RETRY"], cid)
	if err != nil {
		t.Fatal(err)
	}
	h, message, err := initiate(r, cid, v["pre-shared key"], 10_000, v["sealed token"], bytes.NewReader(v["client's ephemeral private key"]))
	if err != nil {
		t.Fatal(err)
	}
	server, err := noise.NewHandshakeState(noise.Config{
		CipherSuite: noise.NewCipherSuite(noise.DH25519, noise.CipherChaChaPoly, noise.HashSHA256),
		Random:      bytes.NewReader(v["server's ephemeral private key"]), Pattern: noise.HandshakeNK,
		Prologue:     slices.Concat([]byte("parley gate 1\x01"), r.epoch, r.ed, cid, r.cookie),
		PresharedKey: v["pre-shared key"], PresharedKeyPlacement: 2,
		StaticKeypair: noise.DHKey{Private: key.X25519().Bytes(), Public: pub.X25519[:]},
	})
	if err != nil {
		t.Fatal(err)
	}
	offer, _, _, err := server.ReadMessage(nil, message)
	if err != nil {
		t.Fatal(err)
	}
	grant := slices.Concat([]byte("W"), v["server's connection id"], v["reset token"], le.AppendUint32(nil, 10_000))
	answer, k1, k2, err := server.WriteMessage(nil, grant)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := h.ReadMessage(nil, answer); err != nil {
		t.Fatal(err)
	}
	up, down := k1.UnsafeKey(), k2.UnsafeKey()
	out, in := sealed{secret: expand(up[:], "parley 1 packets", 32)}, sealed{secret: expand(down[:], "parley 1 packets", 32)}
	firstOut := out.secret
	ping := out.seal(v["server's connection id"], true, []byte{1})
	data := out.seal(v["server's connection id"], false, v["payload of packet 1"])
	out.update()
	out.next = 1<<32 + 2
	updated := out.seal(v["server's connection id"], false, v["payload of packet 1"])
	for _, c := range []struct {
		name string
		got  []byte
	}{
		{"Ed25519 public key", pub.Ed25519[:]},
		{"X25519 public key", pub.X25519[:]},
		{"pin, as text", []byte(pinOf(pub.Ed25519[:], pub.X25519[:]))},
		{"RETRY", slices.Concat(plainHeader('R', cid), r.cookie, r.epoch, pub.Ed25519[:], pub.X25519[:])},
		{"Noise message 1", message},
		{"HELLO, without its zeros", bytes.TrimRight(helloPacket(cid, r.cookie, message), "\x00")},
		{"payload of Noise message 1", offer},
		{"WELCOME", slices.Concat(plainHeader('W', cid), le.AppendUint16(nil, uint16(len(answer))), answer)},
		{"secret of the client's packets", firstOut},
		{"secret of the server's packets", in.secret},
		{"client's packet 0, a PING", ping},
		{"client's packet 1", data},
		{"next secret of the client's packets", out.secret},
		{"client's packet 4294967298, after an update, payload as of 1", updated},
		{"server's packet 0, a BEAT", in.seal(cid, true, []byte{0})},
		{"RESET", slices.Concat([]byte("prlX"), v["reset token"])},
	} {
		if !bytes.Equal(c.got, v[c.name]) {
			t.Errorf("%s = %x", c.name, c.got)
		}
	}
	frames, err := readFrames(v["payload of packet 1"])
	if err != nil || len(frames) != 3 {
		t.Fatalf("%d frames, %v", len(frames), err)
	}
	if ack := frames[0].numbers; !slices.Equal(ack, []uint64{9, 1, 2500, 393_216, 1, 3, 0, 2}) {
		t.Errorf("ACK is %d", ack)
	}
	if f := frames[1]; f.kind != 3 || f.numbers[0] != 70_000 || string(f.bytes) != "\x05hello" {
		t.Errorf("DATA is %d, %q", f.numbers, f.bytes)
	}
	if f := frames[2]; f.kind != 4 || string(f.bytes) != "fast" {
		t.Errorf("DATAGRAM is %q", f.bytes)
	}
}
