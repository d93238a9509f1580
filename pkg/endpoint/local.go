package endpoint

import "strings"

// localOnly reports whether a name in lower-case ASCII can be known in a local
// network, or on one machine, only: it ends in one of those below. None that is a
// last label is delegated on the Internet. The list makes a mistake clear when a
// URL is saved. What protects a network is the check of the address that a name
// resolves to, so a name that is missing here fails with the first request.
//
// Names under .example, and example.com, .net and .org, are in the special-use
// registry too. They are let through: they are for documents, in which they
// stand for public names, and mean nothing in a local network (RFC 6761, section
// 6.5).
func localOnly(name string) bool {
	switch name[strings.LastIndexByte(name, '.')+1:] {
	// IANA's special-use domain names (RFC 6761, 6762, 7686, 9476). Every row of
	// the registry below arpa belongs to a protocol, to a home network (RFC 8375)
	// or to private addresses, and no receiver of webhooks is among its others.
	case "localhost", "local", "test", "invalid", "onion", "alt", "arpa":
		return true

	// Reserved for private use by ICANN in 2024; never to be delegated because so
	// many networks use them for themselves (ICANN's name collision study of 2013;
	// RFC 6762, appendix G).
	case "internal", "corp", "home", "mail", "intranet", "private", "lan":
		return true

	// What routers and operating systems call the network around them, and what
	// administrators have named networks after.
	case "localdomain", "localnet", "localdomain4", "localdomain6", "domain", "workgroup", "dhcp", "gateway", "router",
		"belkin", "dlink", "intra", "intern", "lokal", "priv", "loc", "server", "nas":
		return true

	// Names that a cluster, a cloud or a container engine gives: Consul and Nomad,
	// Kubernetes (kubernetes.default, its .svc, .pod and .cluster), Docker, Podman, LXD
	// and Incus, OpenStack, Mesos, Vagrant.
	case "consul", "nomad", "svc", "pod", "default", "kube-system", "cluster", "k8s", "kube", "docker", "swarm",
		"podman", "lxd", "incus", "openstacklocal", "novalocal", "mesos", "marathon", "vagrant":
		return true

	// Overlay networks that, as .onion, are not reached by DNS.
	case "i2p", "bit", "gnu", "zkey":
		return true
	}
	// A router in many homes gives it, below a public domain of its maker's.
	return name == "fritz.box" || strings.HasSuffix(name, ".fritz.box")
}
