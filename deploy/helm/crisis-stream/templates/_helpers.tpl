{{- define "name" -}}
{{- contains "crisis-stream" .Release.Name | ternary .Release.Name (printf "%s-crisis-stream" .Release.Name) | trunc 50 | trimSuffix "-" -}}
{{- end }}

{{- define "selector" -}}
app.kubernetes.io/name: crisis-stream
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "metadata" -}}
name: {{ include "name" . }}-{{ .component }}
namespace: {{ .Release.Namespace }}
labels:
  {{- include "selector" . | nindent 2 }}
  app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}

{{- define "image" -}}
{{- with .Values.image }}{{ .repository }}{{ empty .digest | ternary (printf ":%s" .tag) (printf "@%s" .digest) }}{{ end -}}
{{- end }}

{{/* What every pod has, before its containers. */}}
{{- define "pod" -}}
automountServiceAccountToken: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{ toJson . }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: { type: RuntimeDefault }
{{- with .own.nodeSelector }}
nodeSelector: {{ toJson . }}
{{- end }}
{{- with .own.tolerations }}
tolerations: {{ toJson . }}
{{- end }}
{{- with .own.affinity }}
affinity: {{ toJson . }}
{{- end }}
{{- end }}

{{/* What every container has. */}}
{{- define "container" -}}
name: {{ .component }}
image: {{ include "image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
envFrom:
  - configMapRef: { name: {{ include "name" . }} }
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: { drop: [ALL] }
resources:
  {{- toYaml .own.resources | nindent 2 }}
{{- end }}

{{- define "env" -}}
- name: CRISIS_STREAM_KAFKA__SASL_PASSWORD
  valueFrom: { secretKeyRef: { name: {{ .Values.kafkaSecret }}, key: password, optional: true } }
{{- with .own.env }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Settings change only when a pod starts: a change of theirs starts them anew. */}}
{{- define "annotations" -}}
checksum/settings: {{ toJson .Values.settings | sha256sum }}
{{- with .metrics }}
prometheus.io/scrape: "true"
prometheus.io/port: {{ . | quote }}
{{- end }}
{{- end }}
