package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/solotick/solotick/internal/dnsmsg"
	"github.com/solotick/solotick/zone"
)

func (a *app) zoneCommand() *cobra.Command {
	return group("zone", "The embedded DNS server", a.zoneServeCommand())
}

// zoneServe is the flags of "zone serve".
type zoneServe struct {
	log                        logFlags
	listen, zones, keys        []string
	allowUpdate, allowTransfer []string
	notify                     []string
	data                       string
}

func (a *app) zoneServeCommand() *cobra.Command {
	var f zoneServe
	c := &cobra.Command{
		Use:   "serve",
		Short: "Serve DNS zones that agents keep their records in",
		Long: `Serve one or more zones as their authoritative DNS server. Whoever has a key may
change TXT records by UPDATE (RFC 2136); what was acknowledged is on disk. Other
servers can follow as secondaries through NOTIFY and AXFR.`,
		Example: "  solotick keygen tsig --name agents canary.jobs.example.com\n" +
			"  solotick zone serve --listen 192.0.2.1:53 --zone jobs.example.com --key agents.key --data /var/lib/solotick\n" +
			"  solotick zone serve --zone jobs.example.com=db.jobs --key agents.key=canary.jobs.example.com --data data",
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.zoneServe(cmd.Context(), f) },
	}
	fl := c.Flags()
	fl.StringArrayVar(&f.listen, "listen", []string{"127.0.0.1:5300"}, "address for UDP and TCP; may be given several times")
	fl.StringArrayVar(&f.zones, "zone", nil, "NAME[=FILE]: a zone, and the file to fill it from when it is new; may be given several times")
	fl.StringArrayVar(&f.keys, "key", nil, "FILE[=NAME,...]: a TSIG key, and the names whose TXT records it may change (default: all of the zones')")
	fl.StringVar(&f.data, "data", "", "folder for the database")
	fl.StringArrayVar(&f.allowUpdate, "allow-update", nil, "CIDR: addresses that may change everything WITHOUT a key; for tests and closed networks")
	fl.StringArrayVar(&f.allowTransfer, "allow-transfer", nil, "CIDR: addresses that may fetch whole zones")
	fl.StringArrayVar(&f.notify, "notify", nil, "ADDRESS[:PORT]: a secondary to tell of each change")
	f.log.add(c)
	return c
}

func (a *app) zoneServe(ctx context.Context, f zoneServe) error {
	log, err := a.logger(f.log)
	if err != nil {
		return err
	}
	cfg, err := f.config()
	if err != nil {
		return err
	}
	for _, file := range f.keys {
		path, names, _ := strings.Cut(file, "=")
		key, warning, err := zoneKey(path, names, cfg.Zones)
		if err != nil {
			return &failure{
				code: exitConfig, err: fmt.Errorf("%w; no server was started", err),
				do: "solotick keygen tsig NAME makes a key file",
			}
		}
		if warning != "" {
			log.Warn(warning)
		}
		cfg.Keys = append(cfg.Keys, key)
	}
	if len(cfg.Keys) == 0 && len(cfg.AllowUpdate) == 0 {
		log.Warn("there is no --key: nobody can change a record")
	}
	cfg.Log = log
	s, err := zone.Open(cfg)
	if err != nil {
		return zoneFailure(err)
	}
	ctx, sig := a.signals(ctx)
	defer sig.stop()
	var names []string
	for _, z := range cfg.Zones {
		names = append(names, z.Name)
	}
	log.Info("serving", "addr", s.Addr(), "zones", strings.Join(names, " "))
	notifySystemd("READY=1")
	defer notifySystemd("STOPPING=1")
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	select {
	case err = <-served:
	case n := <-sig.again:
		return exit(128 + n)
	}
	if err != nil {
		return &failure{code: exitFailed, err: err}
	}
	return nil
}

// zoneFailure says what helps where the server does not start.
func zoneFailure(err error) error {
	f := &failure{code: exitFailed, err: err, means: "no server was started, so none of its records can be reached here"}
	var file *fs.PathError
	var socket *net.OpError
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		f.do = "stop the other process that has this port, or take another port with --listen"
	case errors.As(err, &socket) && errors.Is(err, fs.ErrPermission):
		f.do = "ports below 1024 need root or CAP_NET_BIND_SERVICE; or take another port with --listen"
	case errors.As(err, &socket):
		f.do = "give an address of this machine with --listen"
	case errors.As(err, &file):
		f.do = "see that this user may write in the folder of --data, and read the files of --zone"
	default:
		f.do = "mend what the message names; the flags: solotick zone serve --help"
	}
	return f
}

// config is everything but the keys.
func (f *zoneServe) config() (cfg zone.Config, err error) {
	if len(f.zones) == 0 {
		return cfg, usage("--zone is missing: which zone is to be served?")
	}
	if f.data == "" {
		return cfg, usage("--data is missing: in which folder is the database to be?")
	}
	for _, addr := range f.listen {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			return cfg, usage("--listen %q: want ADDRESS:PORT, such as 127.0.0.1:5300", addr)
		}
	}
	cfg.Listen, cfg.Dir = f.listen, f.data
	for _, z := range f.zones {
		name, file, _ := strings.Cut(z, "=")
		if name == "" {
			return cfg, usage("--zone %q: want the name of a zone, such as jobs.example.com", z)
		}
		cfg.Zones = append(cfg.Zones, zone.Zone{Name: name, File: file})
	}
	if cfg.AllowUpdate, err = prefixes("--allow-update", f.allowUpdate); err != nil {
		return cfg, err
	}
	if cfg.AllowTransfer, err = prefixes("--allow-transfer", f.allowTransfer); err != nil {
		return cfg, err
	}
	for _, n := range f.notify {
		if _, _, err := net.SplitHostPort(n); err != nil {
			n = net.JoinHostPort(strings.Trim(n, "[]"), "53")
		}
		cfg.Notify = append(cfg.Notify, n)
	}
	return cfg, nil
}

// prefixes reads networks, or single addresses.
func prefixes(flag string, texts []string) (all []netip.Prefix, err error) {
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			addr, err := netip.ParseAddr(text)
			if err != nil {
				return nil, usage("%s %q: want a network such as 192.0.2.0/24, or an address", flag, text)
			}
			p = netip.PrefixFrom(addr, addr.BitLen())
		}
		all = append(all, p.Masked())
	}
	return all, nil
}

// zoneKey reads a key that may change the TXT records at names, by default at
// all names of the zones.
func zoneKey(path, names string, zones []zone.Zone) (zone.Key, string, error) {
	key, warning, err := dnsmsg.ReadKeyFile(path)
	if err != nil {
		return zone.Key{}, "", err
	}
	secret, err := base64.StdEncoding.DecodeString(string(key.Secret))
	if err != nil {
		return zone.Key{}, "", fmt.Errorf("key file %s: the secret is not base64", path)
	}
	k := zone.Key{Name: key.Name, Algorithm: key.Algorithm, Secret: secret}
	for name := range strings.SplitSeq(names, ",") {
		if name != "" {
			k.Grants = append(k.Grants, zone.Grant{Name: name, Types: []string{"TXT"}})
		}
	}
	if names == "" {
		for _, z := range zones {
			k.Grants = append(k.Grants, zone.Grant{Name: z.Name, Below: true, Types: []string{"TXT"}})
		}
	}
	return k, warning, nil
}
