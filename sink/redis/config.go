package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// DefaultPrefix is how keys begin where Config.Prefix is empty.
const DefaultPrefix = "parley"

// timeout is how long Redis may take for one command where neither the context nor
// the URL says less: to be reached, to take it, and to answer.
const timeout = 5 * time.Second

// Config says which Redis, and how much is kept there. Its zero value is ready to use.
type Config struct {
	// URL names the server or the cluster, in the form that Open describes; a
	// parameter of it counts more than the field of that name here. Empty means
	// redis://localhost:6379.
	URL string

	// Client is used instead of URL, for what a URL does not say: Sentinel,
	// certificates of one's own, hooks. It stays the caller's, also when the sink is
	// closed. It must heed contexts (ContextTimeoutEnabled) and must not be told to
	// wait for ever. Its retries do no harm, as every command of this package may come
	// twice. Nil means one made for URL.
	Client goredis.UniversalClient

	// Prefix begins all keys, so that several games can share a database. It holds no
	// braces. Empty means DefaultPrefix.
	Prefix string

	// Expire is how long all of a match is kept after the last write to it, in whole
	// milliseconds. Zero means for ever.
	Expire time.Duration

	// KeepSnapshots is how many snapshots of each match are kept at least, the newest
	// ones. Redis drops older ones in lumps, of at most 100 or, if they are longer than
	// 4 KiB, one by one; of those that come late a quarter more may stay. Zero means all.
	KeepSnapshots int

	// KeepEvents is how many events of each match are kept at least, in the same way.
	// Zero means all.
	KeepEvents int

	dial func(ctx context.Context, network, addr string) (net.Conn, error) // nil means a net.Dialer
}

// parameters takes what is this package's from the query of a URL.
func (c *Config) parameters(q url.Values) error {
	number := func(to *int) func(string) error {
		return func(v string) (err error) { *to, err = strconv.Atoi(v); return err }
	}
	for _, p := range []struct {
		name string
		set  func(v string) error
	}{
		{"prefix", func(v string) error { c.Prefix = v; return nil }},
		{"expire", func(v string) (err error) { c.Expire, err = time.ParseDuration(v); return err }},
		{"keep_snapshots", number(&c.KeepSnapshots)},
		{"keep_events", number(&c.KeepEvents)},
	} {
		if !q.Has(p.name) {
			continue
		}
		if err := p.set(q.Get(p.name)); err != nil {
			return fmt.Errorf("redis: parameter %s of the URL: %w", p.name, err)
		}
		q.Del(p.name)
	}
	return nil
}

// check fills in the defaults.
func (c *Config) check() error {
	if c.Prefix == "" {
		c.Prefix = DefaultPrefix
	}
	switch {
	case strings.ContainsAny(c.Prefix, "{}"):
		return fmt.Errorf("redis: Config.Prefix %q holds a brace, which decides where in a cluster a key lives: take another", c.Prefix)
	case c.Expire < 0 || c.Expire%time.Millisecond != 0:
		return fmt.Errorf("redis: Config.Expire is %v: take whole milliseconds, or zero to keep matches for ever", c.Expire)
	case c.KeepSnapshots < 0 || c.KeepEvents < 0:
		return errors.New("redis: Config.KeepSnapshots or KeepEvents is below zero: take zero to keep all")
	}
	return nil
}

// errURL stands for any URL that cannot be read. What is wrong with it is not said, as
// that might be a piece of the password.
var errURL = errors.New("redis: the URL cannot be read: it looks like redis://user:password@host:6379/0, and signs such as / ? # @ in a password are written %2F %3F %23 %40")

// connect returns a client for the URL, and the server's name for people. It makes no
// connection yet, and none any more once life has ended.
func (c *Config) connect(life context.Context) (db goredis.UniversalClient, server string, err error) {
	text := c.URL
	if text == "" {
		text = "redis://localhost:6379"
	}
	u, err := url.Parse(text)
	if err != nil || u.Fragment != "" || strings.Contains(u.Path+u.RawQuery, "@") {
		return nil, "", errURL
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, "", errURL
	}
	if err := c.parameters(q); err != nil {
		return nil, "", err
	}
	u.RawQuery = q.Encode()
	// Below, a command is sent once, as whoever writes decides whether to write again,
	// and there is one pool, as all commands go through pipelines.
	if q.Has("addr") {
		o, err := goredis.ParseClusterURL(u.String())
		if err != nil {
			return nil, "", fmt.Errorf("redis: read the URL: %w", err)
		}
		o.ContextTimeoutEnabled, o.MaxRetries, o.DialerRetries, o.PipelinePoolSize = true, -1, 1, -1
		o.MaintNotificationsConfig = noHandover()
		limit(&o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout, &o.PoolTimeout)
		o.Dialer = c.dialer(life, o.DialTimeout, o.TLSConfig)
		return goredis.NewClusterClient(o), strings.Join(o.Addrs, ","), nil
	}
	o, err := goredis.ParseURL(u.String())
	if err != nil {
		return nil, "", fmt.Errorf("redis: read the URL: %w", err)
	}
	o.ContextTimeoutEnabled, o.MaxRetries, o.DialerRetries, o.PipelinePoolSize = true, -1, 1, -1
	o.MaintNotificationsConfig = noHandover()
	limit(&o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout, &o.PoolTimeout)
	o.Dialer = c.dialer(life, o.DialTimeout, o.TLSConfig)
	return goredis.NewClient(o), o.Addr, nil
}

// dialer returns a way to make connections that ends with life; go-redis lets its own go on
// for as long as they take.
func (c *Config) dialer(life context.Context, timeout time.Duration, conf *tls.Config) func(ctx context.Context, network, addr string) (net.Conn, error) {
	tcp := &net.Dialer{Timeout: timeout}
	dial := tcp.DialContext
	if conf != nil {
		dial = (&tls.Dialer{NetDialer: tcp, Config: conf}).DialContext
	}
	if c.dial != nil {
		dial = c.dial
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		defer context.AfterFunc(life, cancel)()
		return dial(ctx, network, addr)
	}
}

// noHandover tells a client not to follow its server's hints where to connect.
func noHandover() *maintnotifications.Config {
	return &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
}

// limit sets times that are not set, or set to for ever.
func limit(times ...*time.Duration) {
	for _, t := range times {
		if *t <= 0 {
			*t = timeout
		}
	}
}

// accept looks whether a caller's client is one that never hangs, and returns the
// server's name for people.
func accept(db goredis.UniversalClient) (server string, err error) {
	heeds, read, write := true, time.Duration(0), time.Duration(0)
	switch db := db.(type) {
	case *goredis.Client:
		o := db.Options()
		server, heeds, read, write = o.Addr, o.ContextTimeoutEnabled, o.ReadTimeout, o.WriteTimeout
	case *goredis.ClusterClient:
		o := db.Options()
		server, heeds, read, write = strings.Join(o.Addrs, ","), o.ContextTimeoutEnabled, o.ReadTimeout, o.WriteTimeout
	default:
		return "", fmt.Errorf("redis: Config.Client is a %T: make it a *redis.Client or a *redis.ClusterClient of go-redis", db)
	}
	if !heeds {
		return "", errors.New("redis: Config.Client does not heed contexts, so a silent server would hold up the match's end: make it with ContextTimeoutEnabled: true")
	}
	if read < 0 || write < 0 {
		return "", errors.New("redis: Config.Client sets no deadlines, so that contexts have no effect: make it without ReadTimeout -2 and WriteTimeout -2")
	}
	return server, nil
}
