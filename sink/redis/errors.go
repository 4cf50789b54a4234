package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"

	goredis "github.com/redis/go-redis/v9"

	"github.com/parley-net/parley/core"
)

// said are the errors that Redis answers with, by how they begin.
var said = []struct {
	prefix string
	words  string
}{
	{"LOADING", "it still reads its data from the disk: try again soon"},
	{"READONLY", "it is a replica, to which nothing can be written: name the primary"},
	{"MASTERDOWN", "it is a replica that has lost its primary: try again, or name the primary"},
	{"OOM", "its memory is full: raise its maxmemory, or keep less with Config.Expire, KeepSnapshots and KeepEvents"},
	{"MISCONF", "it cannot save to its disk, and takes no writes until it can: look into its log"},
	{"NOREPLICAS", "it has fewer replicas than its min-replicas-to-write asks for"},
	{"NOAUTH", "it wants a password: put one into the URL, redis://user:password@host:6379"},
	{"WRONGPASS", "it does not know the user, or the password is wrong"},
	{"NOPERM", notAllowed},
	{"The user executing the script can't", notAllowed},
	{"NOSCRIPT", "it forgot a script between two commands: try again"},
	{"BUSY", "somebody's script runs there for too long: try again, or stop that with SCRIPT KILL"},
	{"CLUSTERDOWN", "its cluster does not work: try again, or look at CLUSTER INFO"},
	{"TRYAGAIN", "its cluster is moving the match to another node: try again"},
	{"MOVED", "it is one node of a cluster: name the others in the URL too, with ?addr=host:port"},
	{"CROSSSLOT", "it is a cluster, behind something that does not know it: name its nodes in the URL, with ?addr=host:port"},
	{"WRONGTYPE", "something else is kept under this key: choose another Config.Prefix"},
	{"PARTS", "it dropped parts of a long snapshot before it was whole: write it again"},
	{"max number of clients", "it has no room for more connections: raise its maxclients"},
	{"unknown command", "it does not know a command that is needed: it must be Redis 5 or later, or work like it"},
}

const notAllowed = "the user may not do that: give it the rules that the documentation of sink/redis lists, with ACL SETUSER"

// explain says in words what happened while something was done, and of what kind it is.
// An err that is nil, or says that there is nothing, stays as it is.
func (s *Sink) explain(ctx context.Context, doing string, err error) error {
	if err == nil || errors.Is(err, goredis.Nil) {
		return err
	}
	doing = fmt.Sprintf("redis: %s on %s", doing, s.server)
	var answer goredis.Error
	var timeout net.Error
	var dial *net.OpError
	var cert *tls.CertificateVerificationError
	var plain tls.RecordHeaderError
	switch {
	case errors.As(err, &answer):
		return explainAnswer(doing, err)
	case errors.Is(ctx.Err(), context.Canceled):
		return fmt.Errorf("%s: given up, so that nobody knows whether it was done: %w", doing, errors.Join(ctx.Err(), err))
	case errors.Is(err, goredis.ErrClosed):
		return core.Errorf(core.ErrClosed, "%s: the client was closed: %w", doing, err)
	case errors.As(err, &cert):
		return core.Errorf(core.ErrUntrusted, "%s: its certificate is not one to trust: %w", doing, err)
	case errors.As(err, &plain):
		return core.Errorf(core.ErrRefused, "%s: it does not speak TLS: name it with redis:// instead of rediss://: %w", doing, err)
	case errors.Is(err, goredis.ErrPoolTimeout):
		return core.Errorf(core.ErrBackpressure, "%s: all connections are in use: write less at the same time, or raise pool_size: %w", doing, err)
	case ctx.Err() != nil, errors.As(err, &timeout) && timeout.Timeout():
		return core.Errorf(core.ErrTimeout, "%s: no answer in time, so that nobody knows whether it was done: %w", doing, errors.Join(ctx.Err(), err))
	case errors.As(err, &dial) && dial.Op == "dial":
		return core.Errorf(core.ErrRefused, "%s: nobody answers there: is Redis running, and is the address right? %w", doing, err)
	}
	return fmt.Errorf("%s: the connection broke, so that nobody knows whether it was done: %w", doing, err)
}

// explainAnswer says what an error means that Redis answered with.
func explainAnswer(doing string, err error) error {
	for _, e := range said {
		if goredis.HasErrorPrefix(err, e.prefix) {
			return core.Errorf(core.ErrRefused, "%s: %s: %w", doing, e.words, err)
		}
	}
	return core.Errorf(core.ErrRefused, "%s: it says no: %w", doing, err)
}
