package mongo

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	mongodrv "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"

	"github.com/parley-net/parley/core"
)

// closeTimeout is how long Close may take for saying goodbye to a server.
const closeTimeout = time.Second

// Sink keeps matches in MongoDB and reads them. New and Open make one. It is safe for
// concurrent use. Close it, as it holds connections.
type Sink struct {
	c       Config
	client  *mongodrv.Client
	db      *mongodrv.Database
	matches *mongodrv.Collection
	buffers sync.Pool

	mu     sync.Mutex
	closed bool
	busy   int           // writes and reads under way
	idle   chan struct{} // closed when closed, and all is given back
	err    error         // of closing the client; may be read when idle is closed
	places map[string]place
}

var (
	_ core.SnapshotSink   = (*Sink)(nil)
	_ core.SnapshotReader = (*Sink)(nil)
)

// New returns a Sink that works as c says. It makes no connection yet, so that a server
// can start while MongoDB is down: the first write or read does.
func New(c Config) (*Sink, error) {
	s := &Sink{idle: make(chan struct{}), places: make(map[string]place)}
	var err error
	switch {
	case c.Client == nil:
		s.client, err = c.connect()
	case c.URL != "":
		err = errors.New("mongo: Config has both a URL and a Client: set one of them")
	default:
		s.client, err = c.Client, c.check()
	}
	if err != nil {
		return nil, err
	}
	s.c = c
	s.db = s.client.Database(c.Database, options.Database().SetWriteConcern(c.WriteConcern))
	// Where a match is must not be asked of one who heard nothing of it yet.
	s.matches = s.db.Collection(matchesName, options.Collection().SetReadPreference(readpref.Primary()))
	return s, nil
}

// Open returns a Sink on the MongoDB that a URL names, once that has answered:
//
//	mongodb://host:27017/database                      one server
//	mongodb://user:password@a,b,c/database?replicaSet=rs0&authSource=admin
//	mongodb+srv://cluster.example.net/database         a replica set that DNS names
//
// Parameters are expire=720h, for Config.Expire, and those of MongoDB's drivers, such
// as tls=true, w=majority, journal=true and readPreference=secondaryPreferred. The error
// is that of New or of a first read.
func Open(ctx context.Context, url string) (*Sink, error) {
	type result struct {
		s   *Sink
		err error
	}
	made := make(chan result, 1)
	go func() { // a look-up in DNS does not heed ctx
		s, err := New(Config{URL: url})
		made <- result{s, err}
	}()
	var s *Sink
	select {
	case r := <-made:
		if r.err != nil {
			return nil, r.err
		}
		s = r.s
	case <-ctx.Done():
		go func() {
			if r := <-made; r.err == nil {
				_ = r.s.Close(context.Background()) // nobody has heard of it
			}
		}()
		return nil, core.DialError(core.ErrRefused, "MongoDB", ctx.Err())
	}
	err := s.do(ctx, "open a store", func(ctx context.Context) error { return s.client.Ping(ctx, nil) })
	if err != nil {
		return nil, errors.Join(err, s.Close(context.WithoutCancel(ctx)))
	}
	return s, nil
}

// begin notes a write or read under way; end must follow if it returns nil.
func (s *Sink) begin(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return core.Errorf(core.ErrClosed, "mongo: the sink is closed")
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("mongo: nothing was asked of database %s: %w", s.c.Database, err)
	}
	s.busy++
	return nil
}

func (s *Sink) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy--; s.closed && s.busy == 0 {
		go s.release()
	}
}

// do does one thing that stands for itself, within its time.
func (s *Sink) do(ctx context.Context, doing string, f func(ctx context.Context) error) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.end()
	return s.call(ctx, doing, f)
}

// call is do for who has begun.
func (s *Sink) call(ctx context.Context, doing string, f func(ctx context.Context) error) error {
	timed := ctx
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		timed, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	return s.explain(ctx, doing, f(timed))
}

// Close makes later writes and reads fail with core.ErrClosed, waits for those under
// way, and closes the connections, unless the client is the caller's. It returns nil, or
// the cause of ctx if that ends first: the writes then still end by themselves, and Close
// may be called again to wait for them.
func (s *Sink) Close(ctx context.Context) error {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		if s.busy == 0 {
			go s.release()
		}
	}
	s.mu.Unlock()
	select {
	case <-s.idle:
		return s.err
	default:
	}
	select {
	case <-s.idle:
		return s.err
	case <-ctx.Done():
		return fmt.Errorf("mongo: closed, and writes are still under way: %w", ctx.Err())
	}
}

// release gives back what the sink holds, once nothing is under way.
func (s *Sink) release() {
	defer close(s.idle)
	if s.c.Client != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err := s.client.Disconnect(ctx); err != nil {
		s.err = fmt.Errorf("mongo: close the connections: %w", err)
	}
}
