package identity

import (
	"crypto/tls"
	"net"

	"github.com/parley-net/parley/core"
)

// Protocol is the name by which parley peers recognize each other in a TLS
// handshake (ALPN).
const Protocol = "parley/1"

// ServerConfig returns the TLS configuration of a server with this key: TLS 1.3
// only, the key's certificate, ALPN "parley/1", and no session tickets, so that each
// connection proves the key anew. The caller may change the result.
func ServerConfig(k *Key) (*tls.Config, error) {
	cert, err := k.Certificate()
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		Certificates:           []tls.Certificate{cert},
		MinVersion:             tls.VersionTLS13,
		NextProtos:             []string{Protocol},
		SessionTicketsDisabled: true,
		VerifyConnection:       verifyProtocol,
	}, nil
}

// ClientConfig returns the TLS configuration of a client that dials the server at
// addr, with the pin that Split returned: the counterpart of ServerConfig. The
// handshake fails with [Verify]'s error if the server is not to be trusted. The
// caller may change the result, but VerifyConnection must stay: crypto/tls's own
// check is off, as it asks for an authority and a name, and there are none.
func ClientConfig(addr net.Addr, pin string) *tls.Config {
	return &tls.Config{
		MinVersion:             tls.VersionTLS13,
		NextProtos:             []string{Protocol},
		SessionTicketsDisabled: true,
		InsecureSkipVerify:     true, // VerifyConnection checks the key instead
		VerifyConnection: func(cs tls.ConnectionState) error {
			if err := verifyProtocol(cs); err != nil {
				return err
			}
			pub, err := PeerKeys(cs)
			if err != nil {
				return core.Errorf(core.ErrUntrusted, "%w", err)
			}
			return Verify(addr, pin, pub)
		},
	}
}

// PeerKeys returns the public keys of the server at the other end of a TLS
// connection. The error wraps core.ErrMalformed if it is not a parley server.
func PeerKeys(cs tls.ConnectionState) (PublicKeys, error) {
	if len(cs.PeerCertificates) == 0 {
		return PublicKeys{}, core.Errorf(core.ErrMalformed, "identity: the peer showed no certificate")
	}
	return fromCertificate(cs.PeerCertificates[0])
}

func verifyProtocol(cs tls.ConnectionState) error {
	if cs.NegotiatedProtocol != Protocol {
		return core.Errorf(core.ErrRefused, "identity: the peer speaks TLS but not %q: is it a parley of another version?", Protocol)
	}
	return nil
}
