package identity_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/identity"
)

func TestCertificateCarriesTheKeys(t *testing.T) {
	k := seeded(t, 1)
	cert, err := k.Certificate()
	if err != nil {
		t.Fatal(err)
	}
	pub, err := identity.FromCertificate(cert.Certificate[0])
	if err != nil || pub != k.Public() {
		t.Errorf("the certificate gives %v, %v; want the key's public keys", pub, err)
	}
	if years := time.Until(cert.Leaf.NotAfter) / (365 * 24 * time.Hour); years < 200 {
		t.Errorf("the certificate ends in %d years", years)
	}
	if err := cert.Leaf.CheckSignature(cert.Leaf.SignatureAlgorithm, cert.Leaf.RawTBSCertificate, cert.Leaf.Signature); err != nil {
		t.Errorf("the certificate is not signed by its own key: %v", err)
	}
	again, err := seeded(t, 1).Certificate()
	if err != nil || string(again.Certificate[0]) != string(cert.Certificate[0]) {
		t.Errorf("the same key made two certificates (%v)", err)
	}
}

// forge signs a certificate of the given form.
func forge(t testing.TB, key any, pub any, uris ...string) []byte {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	for _, u := range uris {
		p, err := url.Parse(u)
		if err != nil {
			t.Fatal(err)
		}
		template.URIs = append(template.URIs, p)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, pub, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestFromCertificateRefuses(t *testing.T) {
	pub, key, _ := ed25519.GenerateKey(nil)
	ec, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	x := "parley:x25519:" + strings.Repeat("a", 52)
	good := forge(t, key, pub, "https://example.org/", x)
	if _, err := identity.FromCertificate(good); err != nil {
		t.Fatal(err)
	}
	for name, der := range map[string][]byte{
		"nothing":          nil,
		"garbage":          []byte("certificate"),
		"cut":              good[:len(good)-1],
		"another algo":     forge(t, ec, ec.Public(), x),
		"no X25519 key":    forge(t, key, pub),
		"two X25519 keys":  forge(t, key, pub, x, x),
		"short X25519 key": forge(t, key, pub, x[:len(x)-2]),
		"odd X25519 key":   forge(t, key, pub, x[:len(x)-1]+"b"),
	} {
		if pub, err := identity.FromCertificate(der); !errors.Is(err, core.ErrMalformed) || pub != (identity.PublicKeys{}) {
			t.Errorf("%s: %v, %v; want core.ErrMalformed", name, pub, err)
		}
	}
}

func FuzzFromCertificate(f *testing.F) {
	pub, key, _ := ed25519.GenerateKey(nil)
	cert, err := seeded(f, 1).Certificate()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(cert.Certificate[0])
	f.Add(forge(f, key, pub))
	f.Add(forge(f, key, pub, "parley:x25519:"+strings.Repeat("a", 52)))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, der []byte) {
		pub, err := identity.FromCertificate(der)
		if err != nil && (!errors.Is(err, core.ErrMalformed) || pub != identity.PublicKeys{}) {
			t.Fatalf("got %v, %v; want no keys and core.ErrMalformed", pub, err)
		}
	})
}

// shake runs a handshake and returns both errors.
func shake(t *testing.T, client, server *tls.Config) (clientErr, serverErr error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") // not net.Pipe: both sides may write at once
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	deadline := time.Now().Add(10 * time.Second)
	a.SetDeadline(deadline)
	b.SetDeadline(deadline)
	done := make(chan error, 1)
	go func() { done <- tls.Server(b, server).Handshake() }()
	clientErr = tls.Client(a, client).Handshake()
	a.Close()
	return clientErr, <-done
}

func TestHandshake(t *testing.T) {
	k := seeded(t, 1)
	server, err := identity.ServerConfig(k)
	if err != nil {
		t.Fatal(err)
	}
	far := &net.TCPAddr{IP: net.IPv4(203, 0, 113, 5), Port: 1}
	if err, _ := shake(t, identity.ClientConfig(far, k.Pin()), server); err != nil {
		t.Errorf("with the right pin: %v", err)
	}
	if err, _ := shake(t, identity.ClientConfig(far, seeded(t, 2).Pin()), server); !errors.Is(err, core.ErrUntrusted) {
		t.Errorf("with the wrong pin: %v; want core.ErrUntrusted", err)
	}
	if err, _ := shake(t, identity.ClientConfig(far, ""), server); !errors.Is(err, core.ErrUntrusted) {
		t.Errorf("without a pin: %v; want core.ErrUntrusted", err)
	}
	if err, _ := shake(t, identity.ClientConfig(named("server"), ""), server); err != nil {
		t.Errorf("without a pin in a simulated network: %v", err)
	}

	old := identity.ClientConfig(far, k.Pin())
	old.MinVersion, old.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	if err, _ := shake(t, old, server); err == nil {
		t.Error("the server speaks TLS 1.2")
	}
	for _, protos := range [][]string{nil, {"h2"}} {
		other := identity.ClientConfig(far, k.Pin())
		other.NextProtos = protos
		cerr, serr := shake(t, other, server)
		if cerr == nil || serr == nil {
			t.Errorf("ALPN %q: client %v, server %v; want errors", protos, cerr, serr)
		}
	}

	// A stranger who shows the server's certificate without owning its key.
	stolen := server.Clone()
	_, foreign, _ := ed25519.GenerateKey(nil)
	stolen.Certificates = []tls.Certificate{{Certificate: server.Certificates[0].Certificate, PrivateKey: foreign}}
	if err, _ := shake(t, identity.ClientConfig(far, k.Pin()), stolen); err == nil {
		t.Error("a certificate without its key is accepted")
	}
	// And one who is no parley server.
	pub, key, _ := ed25519.GenerateKey(nil)
	plain := server.Clone()
	plain.Certificates = []tls.Certificate{{Certificate: [][]byte{forge(t, key, pub)}, PrivateKey: key}}
	if err, _ := shake(t, identity.ClientConfig(far, k.Pin()), plain); !errors.Is(err, core.ErrUntrusted) {
		t.Errorf("a foreign certificate: %v; want core.ErrUntrusted", err)
	}
}
