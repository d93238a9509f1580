// Package proto holds the contracts that other teams rely on: the names of
// NATS subjects and streams, the protobuf messages, and the OpenAPI document.
package proto

import (
	"hash/fnv"
	"strconv"
	"strings"
)

// Names of the JetStream streams.
const (
	// StreamEvents keeps every event once, for the retention time.
	StreamEvents = "DIALNOTE_EVENTS"
	// StreamLanes keeps the deliveries that could not go at once.
	StreamLanes = "DIALNOTE_LANES"
	// StreamRejected keeps messages that could not be read as events, with the reason.
	StreamRejected = "DIALNOTE_REJECTED"
	// StreamNotices keeps the notices to the platform: what happened to webhooks,
	// so that it can inform its customers.
	StreamNotices = "DIALNOTE_NOTICES"
	// StreamFarewells keeps the requests that Zapier is still to be sent: a
	// subscription was deleted on our side.
	StreamFarewells = "DIALNOTE_FAREWELLS"
)

// Prefixes of the NATS subjects. The functions below build whole subjects.
const (
	// PrefixEvents: platform services publish to <prefix>.<org>.<event type>.
	PrefixEvents = "dialnote.events"
	// prefixStored begins the subjects under which events are stored that are divided
	// into partitions, at <prefix><partitions>.<partition>.<org>.<event type>.
	prefixStored = "dialnote-"
	// PrefixLanes: a webhook's waiting deliveries, at <prefix>.<webhook id>.
	PrefixLanes = "dialnote.lanes"
	// PrefixRetries: deliveries scheduled into a lane, at
	// <prefix>.<webhook id>.<delivery id>.
	PrefixRetries = "dialnote.retries"
	// PrefixRejected: what could not be understood, at <prefix>.<org>.
	PrefixRejected = "dialnote.rejected"
	// PrefixNotices: notices to the platform of what happened to webhooks, at
	// <prefix>.<org>.<kind of notice>.
	PrefixNotices = "dialnote.notices"
	// PrefixFarewells: URLs of deleted Zapier webhooks, to which a dispatcher
	// sends DELETE, at <prefix>.<org>.
	PrefixFarewells = "dialnote.farewells"
	// PrefixActivity: what dispatchers have just recorded, at <prefix>.<org>, for
	// live watchers. No stream keeps it.
	PrefixActivity = "dialnote.activity"
	// SubjectTests is where dispatchers are asked to test a webhook, by request
	// and reply: one of them answers.
	SubjectTests = "dialnote.tests"
	// PrefixWebhooks: what the services tell each other about webhooks: changes
	// (changed.<org>), dispatchers' heartbeats (heartbeat.<replica>), the events
	// that a dispatcher has begun to work on (taken.<replica>), and the headers of
	// each message that enters a lane (arrived.<webhook id>).
	PrefixWebhooks = "dialnote.webhooks"
	// SubjectWebhooks matches all of them, so that one subscription sees them
	// in order.
	SubjectWebhooks = PrefixWebhooks + ".*.*"
)

// Names of headers on NATS messages.
const (
	// HeaderContentType says how an event is written: ContentTypeJSON (also
	// when the header is absent) or ContentTypeProtobuf.
	HeaderContentType = "Content-Type"
	// HeaderDelivery is the delivery's id, on lane messages.
	HeaderDelivery = "Dialnote-Delivery"
	// HeaderEventID is the event's id, on lane messages.
	HeaderEventID = "Dialnote-Event-Id"
	// HeaderEventType is the event's type, on lane messages.
	HeaderEventType = "Dialnote-Event-Type"
	// HeaderEventSequence is the event's sequence in StreamEvents, on lane messages.
	HeaderEventSequence = "Dialnote-Event-Sequence"
	// HeaderEventStored is when the event was stored, in Unix nanoseconds, on
	// lane messages.
	HeaderEventStored = "Dialnote-Event-Stored"
	// HeaderOrganization is the organization's id, on lane messages.
	HeaderOrganization = "Dialnote-Organization"
	// HeaderEarlier is how many attempts had been made when a delivery was asked
	// for again, on lane messages of such deliveries.
	HeaderEarlier = "Dialnote-Earlier-Attempts"
	// HeaderReason says why a message was rejected.
	HeaderReason = "Dialnote-Reason"
	// HeaderSubject is the subject that a rejected message was published to.
	HeaderSubject = "Dialnote-Subject"
	// HeaderQuota names the quota that a rejected message was over. Such a message has
	// HeaderEventSequence, HeaderEventStored and HeaderSize too.
	HeaderQuota = "Dialnote-Quota"
	// HeaderSize is how many bytes the event stream kept of a rejected message.
	HeaderSize = "Dialnote-Size"
	// HeaderAdmitted is set on an event that config-api has accepted: it is within its
	// organization's quotas, whatever comes after it. Publishers do not set it.
	HeaderAdmitted = "Dialnote-Admitted"
)

// Content types of event messages.
const (
	ContentTypeJSON     = "application/json"
	ContentTypeProtobuf = "application/protobuf"
)

// SubjectEvent returns the subject for an organization's events of a type.
func SubjectEvent(organizationID, eventType string) string {
	return PrefixEvents + "." + organizationID + "." + eventType
}

// ParseEventSubject returns the organization and the event type of a subject
// made by SubjectEvent. ok is false for any other subject.
func ParseEventSubject(subject string) (organizationID, eventType string, ok bool) {
	rest, found := strings.CutPrefix(subject, PrefixEvents+".")
	if !found {
		return "", "", false
	}
	organizationID, eventType, ok = strings.Cut(rest, ".")
	return organizationID, eventType, ok && organizationID != "" && eventType != ""
}

// TransformEvents returns how NATS changes the subjects of events when it stores
// them, so that each names one of so many partitions: the one of its organization.
// A subject without an event type stays as it is.
func TransformEvents(partitions int) (source, destination string) {
	n := strconv.Itoa(partitions)
	return PrefixEvents + ".*.>", prefixStored + n + ".{{partition(" + n + ",1)}}.{{wildcard(1)}}.>"
}

// SubjectPartition matches the events that are stored in one of so many partitions.
func SubjectPartition(partitions, partition int) string {
	return prefixStored + strconv.Itoa(partitions) + "." + strconv.Itoa(partition) + ".>"
}

// SubjectStored matches an organization's events of a type, ">" for all types, under
// whichever subject they are stored.
func SubjectStored(organizationID, eventType string) string {
	return "*.*." + organizationID + "." + eventType
}

// Stored is where an event is stored.
type Stored struct {
	Subject    string // that the event was published to
	Partitions int    // into how many the events were divided, 0 for an event outside of all partitions
	Partition  int    // which of these the event is in
}

// ParseStored reads the subject under which an event is stored.
func ParseStored(subject string) Stored {
	outside := Stored{Subject: subject}
	rest, found := strings.CutPrefix(subject, prefixStored)
	if !found {
		return outside
	}
	partitions, rest, _ := strings.Cut(rest, ".")
	partition, rest, _ := strings.Cut(rest, ".")
	n, err := strconv.Atoi(partitions)
	if err != nil || n < 1 {
		return outside
	}
	p, err := strconv.Atoi(partition)
	if err != nil || p < 0 || p >= n || rest == "" {
		return outside
	}
	return Stored{Subject: PrefixEvents + "." + rest, Partitions: n, Partition: p}
}

// Partition returns which of so many partitions an organization's events are in, as
// NATS computes it.
func Partition(organizationID string, partitions int) int {
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(organizationID))     // never fails
	return int(hash.Sum32() % uint32(partitions)) //nolint:gosec // from 1 to 64
}

// EventMessageID returns the Nats-Msg-Id that an event should have. It decides
// nothing: the organization and the id in the event do. Dispatchers count and warn
// of an event that has another one, unless it is the id alone.
func EventMessageID(organizationID, eventID string) string {
	return organizationID + ":" + eventID
}

// SubjectLane returns the subject of a webhook's lane.
func SubjectLane(webhookID string) string { return PrefixLanes + "." + webhookID }

// SubjectRetry returns the subject of a delivery's scheduled retry.
func SubjectRetry(webhookID, deliveryID string) string {
	return PrefixRetries + "." + webhookID + "." + deliveryID
}

// SubjectRetries matches every scheduled retry of a webhook.
func SubjectRetries(webhookID string) string { return PrefixRetries + "." + webhookID + ".*" }

// SubjectRejected returns the subject for messages of an organization's publishers
// that could not be read as events. Without a known organization it ends in
// "unknown".
func SubjectRejected(organizationID string) string {
	if organizationID == "" || strings.ContainsAny(organizationID, ".*> \t\r\n") {
		organizationID = "unknown"
	}
	return PrefixRejected + "." + organizationID
}

// SubjectChanged returns the subject of the announcements that a webhook of an
// organization changed.
func SubjectChanged(organizationID string) string {
	return PrefixWebhooks + ".changed." + organizationID
}

// SubjectHeartbeat returns the subject of a dispatcher's heartbeats.
func SubjectHeartbeat(replica string) string { return PrefixWebhooks + ".heartbeat." + replica }

// SubjectTaken returns the subject on which a dispatcher says which events it has
// begun to work on.
func SubjectTaken(replica string) string { return PrefixWebhooks + ".taken." + replica }

// SubjectArrived returns the subject of the headers of messages that enter a
// webhook's lane.
func SubjectArrived(webhookID string) string { return PrefixWebhooks + ".arrived." + webhookID }

// SubjectNotice returns the subject for an organization's notices of a kind.
func SubjectNotice(organizationID, kind string) string {
	return PrefixNotices + "." + organizationID + "." + kind
}

// SubjectFarewell returns the subject for the farewells of an organization's
// Zapier webhooks.
func SubjectFarewell(organizationID string) string { return PrefixFarewells + "." + organizationID }

// SubjectActivity returns the subject of an organization's attempts that were just
// recorded.
func SubjectActivity(organizationID string) string { return PrefixActivity + "." + organizationID }
