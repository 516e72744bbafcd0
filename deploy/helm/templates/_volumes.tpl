{{/* Each volume has a mount of the same name below. */}}
{{- define "rotatord.volumes" -}}
- name: config
  configMap:
    name: {{ include "rotatord.configMapName" . }}
- name: run
  emptyDir:
    medium: Memory
    sizeLimit: 1Mi
{{- if include "rotatord.etcd" . }}
- name: identity
  secret:
    secretName: {{ .Values.etcd.identitySecret }}
    defaultMode: 0440
{{- else if not .Values.persistence.enabled }}
- name: state
  emptyDir: {}
{{- else if .Values.persistence.existingClaim }}
- name: state
  persistentVolumeClaim:
    claimName: {{ .Values.persistence.existingClaim }}
{{- end }}
{{- range .Values.secrets }}
- name: {{ include "rotatord.secretVolume" . }}
  secret:
    secretName: {{ . }}
    defaultMode: 0440
{{- end }}
{{- with .Values.web.existingSecret }}
- name: web
  secret:
    secretName: {{ . }}
    defaultMode: 0440
{{- end }}
{{- with .Values.serviceAccount.tokens }}
- name: tokens
  projected:
    defaultMode: 0440
    sources:
      {{- range . }}
      - serviceAccountToken:
          path: {{ .name }}
          {{- with .audience }}
          audience: {{ . }}
          {{- end }}
          expirationSeconds: {{ .expirationSeconds | default 3600 | int }}
      {{- end }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "rotatord.volumeMounts" -}}
- name: config
  mountPath: /etc/rotatord
  readOnly: true
- name: run
  mountPath: /run/rotatord
{{- if include "rotatord.etcd" . }}
- name: identity
  mountPath: /run/identity
  readOnly: true
{{- else }}
- name: state
  mountPath: /var/lib/rotatord
{{- end }}
{{- range .Values.secrets }}
- name: {{ include "rotatord.secretVolume" . }}
  mountPath: /run/secrets/{{ . }}
  readOnly: true
{{- end }}
{{- if .Values.web.existingSecret }}
- name: web
  mountPath: /run/web
  readOnly: true
{{- end }}
{{- if .Values.serviceAccount.tokens }}
- name: tokens
  mountPath: /run/tokens
  readOnly: true
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* A volume's name has 63 characters and no dots; a Secret's may have more, and some. */}}
{{- define "rotatord.secretVolume" -}}
secret-{{ . | replace "." "-" | trunc 40 | trimSuffix "-" }}-{{ sha256sum . | trunc 8 }}
{{- end }}
