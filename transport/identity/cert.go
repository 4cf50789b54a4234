package identity

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net/url"
	"strings"
	"time"

	"github.com/parley-net/parley/core"
)

// keyURI begins the alternative name under which a certificate carries the X25519
// key: "parley:x25519:" and the key in base32.
const keyURI = "x25519:"

// certHost is the name in the certificate. Nobody checks it: a client goes by the
// key, whatever name or address it dialed.
const certHost = "parley.invalid"

// Certificate returns the key's certificate: self-signed, without an end, and
// carrying both public keys. It is made at the first call and is the same for ever.
func (k *Key) Certificate() (tls.Certificate, error) { return k.certify() }

func (k *Key) makeCertificate() (tls.Certificate, error) {
	serial := sha256.Sum256(k.public.Ed25519[:])
	serial[0] &= 0x7f // positive
	template := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serial[:16]),
		Subject:      pkix.Name{CommonName: "parley server " + k.pin},
		NotBefore:    time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:     time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), // RFC 5280: no end
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:     []string{certHost},
		URIs: []*url.URL{{
			Scheme: "parley",
			Opaque: keyURI + encoding.EncodeToString(k.public.X25519[:]),
		}},
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.ed.Public(), k.ed)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("identity: make a certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("identity: make a certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: k.ed, Leaf: leaf}, nil
}

// FromCertificate returns the public keys in a certificate that a Key made, given
// in DER. It checks the form only: that the peer owns the Ed25519 key is for the
// handshake to prove, and that both keys belong together is what the pin says. The
// error wraps core.ErrMalformed.
func FromCertificate(der []byte) (PublicKeys, error) {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return PublicKeys{}, core.Errorf(core.ErrMalformed, "identity: the peer shows no certificate: %w", err)
	}
	return fromCertificate(cert)
}

func fromCertificate(cert *x509.Certificate) (PublicKeys, error) {
	var pub PublicKeys
	ed, ok := cert.PublicKey.(ed25519.PublicKey)
	if !ok || len(ed) != len(pub.Ed25519) {
		return PublicKeys{}, core.Errorf(core.ErrMalformed, "identity: the peer's certificate is not a parley server's: its key is %s, not Ed25519", cert.PublicKeyAlgorithm)
	}
	copy(pub.Ed25519[:], ed)
	found := 0
	for _, uri := range cert.URIs {
		digits, ok := strings.CutPrefix(uri.Opaque, keyURI)
		if uri.Scheme != "parley" || !ok {
			continue
		}
		raw, err := decode(digits)
		if err != nil || len(raw) != len(pub.X25519) {
			return PublicKeys{}, core.Errorf(core.ErrMalformed, "identity: the peer's certificate carries a damaged X25519 key")
		}
		copy(pub.X25519[:], raw)
		found++
	}
	if found != 1 {
		return PublicKeys{}, core.Errorf(core.ErrMalformed, "identity: the peer's certificate is not a parley server's: it carries %d X25519 keys, not one", found)
	}
	return pub, nil
}
