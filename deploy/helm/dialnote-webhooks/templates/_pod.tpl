{{/*
What the pods of both services and of the migration share. They are called with
(dict "root" $ "component" "dispatcher" "values" .Values.dispatcher).
*/}}

{{- define "dialnote.podSecurity" -}}
runAsNonRoot: true
{{- with .root.Values.userId }}
runAsUser: {{ . | int }}
runAsGroup: {{ . | int }}
fsGroup: {{ . | int }}
{{- end }}
seccompProfile: { type: RuntimeDefault }
{{- end -}}

{{- define "dialnote.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end -}}

{{- define "dialnote.secretEnv" -}}
- name: {{ .name }}
  valueFrom: { secretKeyRef: { name: {{ .from.name | quote }}, key: {{ .from.key | quote }} } }
{{- end -}}

{{- define "dialnote.databaseEnv" -}}
{{ include "dialnote.secretEnv" (dict "name" "DIALNOTE_DATABASE_URL" "from" .root.Values.database.urlSecret) }}
{{- if .root.Values.database.caSecret.name }}
- name: PGSSLROOTCERT
  value: /run/secrets/database-ca/{{ .root.Values.database.caSecret.key }}
{{- end }}
{{- end -}}

{{- define "dialnote.databaseMount" -}}
{{- if .root.Values.database.caSecret.name }}
- { name: database-ca, mountPath: /run/secrets/database-ca, readOnly: true }
{{- end }}
{{- end -}}

{{- define "dialnote.databaseVolume" -}}
{{- with .root.Values.database.caSecret }}
{{- if .name }}
- { name: database-ca, secret: { secretName: {{ .name | quote }}, defaultMode: 0440 } }
{{- end }}
{{- end }}
{{- end -}}

{{- define "dialnote.env" -}}
{{- $v := .root.Values -}}
{{ include "dialnote.databaseEnv" . }}
{{- if $v.extraCASecret.name }}
- name: DIALNOTE_EXTRA_CA_FILE
  value: /run/secrets/extra-ca/{{ $v.extraCASecret.key }}
{{- end }}
{{ include "dialnote.secretEnv" (dict "name" "DIALNOTE_ENCRYPTION_KEYS" "from" $v.encryptionKeysSecret) }}
- name: DIALNOTE_NATS_URL
  value: {{ $v.nats.url | quote }}
{{- if .values.nats.credsSecret.name }}
- name: DIALNOTE_NATS_CREDS
  value: /run/secrets/nats-creds/{{ .values.nats.credsSecret.key }}
{{- else if .values.nats.user }}
- name: DIALNOTE_NATS_USER
  value: {{ .values.nats.user | quote }}
{{ include "dialnote.secretEnv" (dict "name" "DIALNOTE_NATS_PASSWORD" "from" .values.nats.passwordSecret) }}
{{- end }}
{{- if $v.nats.caSecret.name }}
- name: DIALNOTE_NATS_CA_FILE
  value: /run/secrets/nats-ca/{{ $v.nats.caSecret.key }}
{{- end }}
{{- if $v.nats.certificateSecret }}
- name: DIALNOTE_NATS_CERT_FILE
  value: /run/secrets/nats-certificate/tls.crt
- name: DIALNOTE_NATS_KEY_FILE
  value: /run/secrets/nats-certificate/tls.key
{{- end }}
{{- if eq .component "config-api" }}
- name: DIALNOTE_API_TOKENS_FILE
  value: /run/secrets/api-tokens/{{ $v.apiTokensSecret.key }}
{{- end }}
{{- range $name, $value := mergeOverwrite (dict) $v.settings .values.settings }}
- name: DIALNOTE_{{ $name }}
  value: {{ $value | quote }}
{{- end }}
- name: GOMEMLIMIT
  value: {{ .values.goMemLimit | quote }}
{{- with $v.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "dialnote.mounts" -}}
{{- $v := .root.Values -}}
{{- include "dialnote.databaseMount" . }}
{{- if $v.extraCASecret.name }}
- { name: extra-ca, mountPath: /run/secrets/extra-ca, readOnly: true }
{{- end }}
{{- if .values.nats.credsSecret.name }}
- { name: nats-creds, mountPath: /run/secrets/nats-creds, readOnly: true }
{{- end }}
{{- if $v.nats.caSecret.name }}
- { name: nats-ca, mountPath: /run/secrets/nats-ca, readOnly: true }
{{- end }}
{{- if $v.nats.certificateSecret }}
- { name: nats-certificate, mountPath: /run/secrets/nats-certificate, readOnly: true }
{{- end }}
{{- if eq .component "config-api" }}
- { name: api-tokens, mountPath: /run/secrets/api-tokens, readOnly: true }
{{- end }}
{{- end -}}

{{- define "dialnote.volumes" -}}
{{- $v := .root.Values -}}
{{- include "dialnote.databaseVolume" . }}
{{- if $v.extraCASecret.name }}
- { name: extra-ca, secret: { secretName: {{ $v.extraCASecret.name | quote }}, defaultMode: 0440 } }
{{- end }}
{{- if .values.nats.credsSecret.name }}
- { name: nats-creds, secret: { secretName: {{ .values.nats.credsSecret.name | quote }}, defaultMode: 0440 } }
{{- end }}
{{- if $v.nats.caSecret.name }}
- { name: nats-ca, secret: { secretName: {{ $v.nats.caSecret.name | quote }}, defaultMode: 0440 } }
{{- end }}
{{- if $v.nats.certificateSecret }}
- { name: nats-certificate, secret: { secretName: {{ $v.nats.certificateSecret | quote }}, defaultMode: 0440 } }
{{- end }}
{{- if eq .component "config-api" }}
- { name: api-tokens, secret: { secretName: {{ $v.apiTokensSecret.name | quote }}, defaultMode: 0440 } }
{{- end }}
{{- end -}}

{{- define "dialnote.probes" -}}
startupProbe:
  httpGet: { path: /livez, port: ops }
  periodSeconds: 2
  failureThreshold: 60
livenessProbe:
  httpGet: { path: /livez, port: ops }
  periodSeconds: 10
  timeoutSeconds: 3
readinessProbe:
  httpGet: { path: /readyz, port: ops }
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 3
{{- end -}}

{{- define "dialnote.scheduling" -}}
topologySpreadConstraints:
  {{- range $key := list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - topologyKey: {{ $key }}
    maxSkew: 1
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "dialnote.selector" $ | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
  {{- end }}
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . | quote }}
  {{- end }}
{{- end }}
{{- end -}}
