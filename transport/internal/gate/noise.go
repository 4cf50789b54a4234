package gate

import (
	"bytes"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"strings"
	"time"

	"github.com/flynn/noise"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/identity"
)

// suite is Noise_NKpsk2_25519_ChaChaPoly_SHA256.
var suite = noise.NewCipherSuite(noise.DH25519, noise.CipherChaChaPoly, noise.HashSHA256)

const prologueLabel = "parley gate 1"

// prologue binds a handshake to everything that was said in clear before it. The
// cookie is among it, and belongs to one address: who copies a hello from the wire
// can repeat it from where it came, and nowhere else.
func prologue(kind byte, r *retry) []byte {
	p := append([]byte(prologueLabel), kind)
	p = append(p, r.epoch[:]...)
	p = append(p, r.keys.Ed25519[:]...)
	p = order.AppendUint64(p, r.cid)
	return append(p, r.cookie[:]...)
}

// secrets are what a handshake leaves behind: what each direction's first key grows
// from.
type secrets struct{ toServer, toClient []byte }

func newSecrets(toServer, toClient *noise.CipherState) (s secrets, err error) {
	expand := func(c *noise.CipherState) []byte {
		k := c.UnsafeKey()
		out, e := hkdf.Expand(sha256.New, k[:], "parley 1 packets", sha256.Size)
		err = errors.Join(err, e)
		return out
	}
	s.toServer, s.toClient = expand(toServer), expand(toClient)
	return s, err
}

// offer is what the client says in its handshake message. Only the server can read
// it: whoever saw the token could make handshakes with it, though none to the end, and
// crowd out its owner.
type offer struct {
	idle  time.Duration
	token []byte // sealed; may be empty
}

const offerSize = 4 // without the token

func (o offer) bytes() []byte {
	return append(order.AppendUint32(nil, milliseconds(o.idle)), o.token...)
}

func parseOffer(p []byte) (offer, bool) {
	if len(p) < offerSize || len(p) > offerSize+maxToken {
		return offer{}, false
	}
	return offer{time.Duration(order.Uint32(p)) * time.Millisecond, p[offerSize:]}, true
}

func milliseconds(d time.Duration) uint32 { return uint32(min(d.Milliseconds(), 1<<32-1)) }

// grant is what the server says in its.
type grant struct {
	cid   uint64 // connection id that the server listens to
	reset [resetSize]byte
	idle  time.Duration
}

// A grant and a refusal begin with the type of the packet that they are in: that
// one is said in clear, and one must not pass for the other.
const grantSize = 1 + cidSize + resetSize + 4

func (g grant) bytes() []byte {
	b := order.AppendUint64([]byte{typeWelcome}, g.cid)
	b = append(b, g.reset[:]...)
	return order.AppendUint32(b, milliseconds(g.idle))
}

func parseGrant(p []byte) (g grant, ok bool) {
	if len(p) != grantSize || p[0] != typeWelcome {
		return grant{}, false
	}
	p = p[1:]
	g.cid = order.Uint64(p)
	copy(g.reset[:], p[cidSize:])
	g.idle = time.Duration(order.Uint32(p[cidSize+resetSize:])) * time.Millisecond
	return g, true
}

// refusal is what it says instead.
type refusal struct {
	code   core.Code
	reason string
}

func (r refusal) bytes() []byte {
	b := order.AppendUint16([]byte{typeRefuse}, uint16(r.code))
	return append(b, strings.ToValidUTF8(r.reason[:min(len(r.reason), maxRefusal)], "")...)
}

func parseRefusal(p []byte) (refusal, bool) {
	if len(p) < 3 || len(p) > 3+maxRefusal || p[0] != typeRefuse {
		return refusal{}, false
	}
	return refusal{core.Code(order.Uint16(p[1:])), strings.ToValidUTF8(string(p[3:]), "\uFFFD")}, true
}

// clientShake is a client's side of one handshake.
type clientShake struct {
	config    noise.Config
	ephemeral [32]byte // what the ephemeral key is made from
	offer     offer
	message   []byte // the first one
}

func newClientShake(keys identity.PublicKeys, psk [32]byte, prologue []byte, o offer) (*clientShake, error) {
	s := &clientShake{offer: o, config: noise.Config{
		CipherSuite: suite, Pattern: noise.HandshakeNK, Initiator: true, Prologue: prologue,
		PresharedKey: psk[:], PresharedKeyPlacement: 2, PeerStatic: keys.X25519[:],
	}}
	rand.Read(s.ephemeral[:]) // never fails
	_, msg, err := s.start(s.config)
	s.message = msg
	return s, err
}

// start begins the handshake, the same one each time.
func (s *clientShake) start(conf noise.Config) (*noise.HandshakeState, []byte, error) {
	conf.Random = bytes.NewReader(s.ephemeral[:])
	h, err := noise.NewHandshakeState(conf)
	if err != nil {
		return nil, nil, err
	}
	msg, _, _, err := h.WriteMessage(nil, s.offer.bytes())
	return h, msg, err
}

// read reads the server's message. Each call starts anew, since a forged message must
// not spoil the true one. The pre-shared key is zeros in a refusal, as who holds a bad
// token could not read it otherwise, and in a welcome of a server that wants no token.
func (s *clientShake) read(msg []byte, zeros bool) (payload []byte, keys secrets, err error) {
	conf := s.config
	if zeros {
		conf.PresharedKey = make([]byte, 32)
	}
	h, _, err := s.start(conf)
	if err != nil {
		return nil, secrets{}, err
	}
	payload, toServer, toClient, err := h.ReadMessage(nil, msg)
	if err != nil {
		return nil, secrets{}, err
	}
	keys, err = newSecrets(toServer, toClient)
	return payload, keys, err
}

// serverShake is a server's side.
type serverShake struct{ state *noise.HandshakeState }

func newServerShake(key *identity.Key, prologue, msg []byte) (s serverShake, o offer, err error) {
	s.state, err = noise.NewHandshakeState(noise.Config{
		CipherSuite: suite, Random: rand.Reader, Pattern: noise.HandshakeNK, Prologue: prologue, PresharedKeyPlacement: 2,
		StaticKeypair: noise.DHKey{Private: key.X25519().Bytes(), Public: key.X25519().PublicKey().Bytes()},
	})
	if err != nil {
		return s, o, err
	}
	payload, _, _, err := s.state.ReadMessage(nil, msg)
	if err != nil {
		return s, o, err
	}
	o, ok := parseOffer(payload)
	if !ok {
		err = core.Errorf(core.ErrMalformed, "gate: an offer of %d bytes", len(payload))
	}
	return s, o, err
}

// answer makes the second message. The key is the token's, or zeros.
func (s serverShake) answer(psk [32]byte, payload []byte) ([]byte, secrets, error) {
	if err := s.state.SetPresharedKey(psk[:]); err != nil {
		return nil, secrets{}, err
	}
	msg, toServer, toClient, err := s.state.WriteMessage(nil, payload)
	if err != nil {
		return nil, secrets{}, err
	}
	keys, err := newSecrets(toServer, toClient)
	return msg, keys, err
}
