"""Lines with a secret between « and », and lines that only look as if there were one.

The kinds are those of detect-secrets' plugins, of gitleaks' config/gitleaks.toml, and of the manuals of the commands.
All values are made up; a prefix is parted from the rest where a scanner of repositories would take it for a real one.
"""

R20 = "9Xk2mQ7rT4vB8nZ1pL5w"
R40 = "a9Xk2mQ7rT4vB8nZ1pL5wC3dF6gH0jK2lM4nP6qR"
HEX32 = "0123456789abcdef0123456789abcdef"
HEX40 = HEX32 + "01234567"
UUID = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJlLWhlcmU"
AWS_SECRET = "wJalrXUtnFEMI/K7MDENG/" + "bPxRfiCYEXAMPLEKEY"

SECRET_LINES = f"""
curl -u admin:«hunter2» https://example.com
curl -s --user "deploy:«s3cr3t!»" https://example.com/api
curl -uadmin:«hunter2» https://example.com
curl --proxy-user joe:«pa55» -x proxy:3128 https://example.com
curl -H 'Authorization: Bearer «abcdefgh123»' https://example.com
curl -H "Authorization: token «{R20}»" https://api.github.com
curl -H "X-Api-Key: «{R20}»" https://example.com
curl -H 'PRIVATE-TOKEN: «{R20}»' https://gitlab.example.com
curl -H "Cookie: session=«{R20}»; theme=dark" https://example.com
curl -b 'sid=«abc123def»' https://example.com
curl --cookie "sid=«abc123def»" https://example.com
curl 'https://example.com/hook?token=«abcdef123»&page=2'
curl "https://example.com/a?page=2&api_key=«{R20}»"
wget --password=«hunter2» https://example.com/file
wget --http-password «hunter2» https://example.com/file
http -a joe:«hunter2» https://example.com
mysql -u root -p«hunter2» shop
mysqldump --user=root --password=«hunter2» shop > dump.sql
mysql --host db -uroot -p'«two words»' -e 'select 1'
MYSQL_PWD=«hunter2» mysql -u root
PGPASSWORD=«hunter2» psql -h db -U me shop
psql "host=db user=me password=«hunter2» dbname=shop"
psql postgres://me:«hunter2»@db.example.com/shop
mongosh "mongodb+srv://me:«hunter2»@cluster0.example.net/shop"
mongosh -u me -p «hunter2» --authenticationDatabase admin
redis-cli -a «hunter2» ping
redis-cli -u redis://:«hunter2»@cache:6379/0
REDIS_URL=redis://default:«hunter2»@cache:6379
amqp://guest:«gu3st»@rabbit:5672/
ftp://joe:«pa/ss»@files.example.com
sshpass -p «hunter2» ssh root@host
sshpass -p'«hunter2»' scp a host:
docker login -u me -p «hunter2» registry.example.com
echo «hunter2» | docker login -u me --password-stdin
echo "«{R20}»" | gh auth login --with-token
echo '«hunter2»' | sudo -S apt-get update
echo "root:«newpass»" | chpasswd
docker login --password-stdin <<< «hunter2»
podman login --password «hunter2» quay.io
helm registry login -u me -p «hunter2» registry.example.com
az login --service-principal -u app -p «{R20}» --tenant t
kubectl create secret generic db --from-literal=password=«hunter2»
kubectl create secret docker-registry r --docker-password=«hunter2»
kubectl config set-credentials me --token=«{R20}»
vault login «hvs.CAESIJx2mQ7rT4vB8nZ1pL5w»
vault kv put secret/db password=«hunter2»
heroku config:set SECRET_KEY_BASE=«{R40}»
fly secrets set STRIPE_SECRET=«{R20}»
gh secret set DEPLOY --body «hunter2»
npm config set //npm.example.com/:_authToken «{R20}»
//npm.example.com/:_authToken=«{R20}»
git clone https://joe:«{R20}»@github.com/o/r.git
git remote set-url origin https://«{R20}»@github.com/o/r.git
git config --global github.token «{R20}»
openssl aes-256-cbc -in a -out b -pass pass:«hunter2»
openssl enc -aes-256-cbc -k «hunter2» -in a
gpg --batch --passphrase «hunter2» -d a.gpg
ssh-keygen -t ed25519 -N «hunter2» -f key
keytool -storepass «changeit» -list
zip -P «hunter2» a.zip b
7z x -p«hunter2» a.7z
htpasswd -b -c .htpasswd joe «hunter2»
smbclient //server/share -U joe%«hunter2»
sqlcmd -S db -U sa -P «Str0ng!Pass»
ldapsearch -x -D cn=admin -w «hunter2» -b dc=example
rabbitmqctl add_user joe «hunter2»
machine example.com login joe password «hunter2»
ALTER USER joe IDENTIFIED BY '«hunter2»';
CREATE USER joe WITH PASSWORD '«hunter2»';
export SECRET_KEY=«hunter2»
export DB_PASS="«hunter2»"
DB_PASS=«hunter2» ./run.sh
DATABASE_PASSWORD: «swordfish»
password: «hunter2»
Password: «swordfish»
passwd = «swordfish»
db_password = '«two words»'
"password": "«swordfish»"
"client_secret": "«{R20}»"
clientSecret: '«{R20}»'
const apiKey = "«{R20}»";
apiKey: «{R20}»
API_KEY=«abc123»
OPENAI_API_KEY=«sk-proj-AbCd1234efgh5678»
ANTHROPIC_API_KEY="«sk-ant-api03-{R20}»"
the key is «sk-or-v1-{HEX32}»
key_«sk-{R20}»
AWS_SECRET_ACCESS_KEY=«{AWS_SECRET}»
aws_secret_access_key = «{AWS_SECRET}»
aws configure set aws_secret_access_key «{AWS_SECRET}»
found «{AWS_SECRET}» in the log
AWS_ACCESS_KEY_ID=«AKIAIOSFODNN7EXAMPLE»
«ASIAIOSFODNN7EXAMPLE» expired
«ghp_{R20}abcdefghij123456»
«gho_{R20}abcdefghij123456»
«github_pat_11ABCDEFG0{R20}»
«glpat-{R20}»
«xoxb-1234567890-{R20}»
https://hooks.slack.com/services/«T0000/B0000/{R20}»
https://discord.com/api/webhooks/«1234567890/{R20}»
«123456789:AAF{R40}»
«AIzaSyA1234567890{R20}»
«ya29.{R40}»
«GOCSPX-{R20}»
AccountKey=«{R40}{R40}==»;EndpointSuffix=core.windows.net
«sk_live_{R20}»
«rk_test_{R20}»
«whsec_{R20}»
«SG.{R20}.{R40}»
«key-{HEX32}»
«{HEX32}-us12»
«SK{HEX32}»
«npm_{R40}»
«pypi-AgEIcHlwaS5vcmcCJ{R20}»
«dckr_pat_{R20}»
«hf_{R20}abcdefgh»
«gsk_{R40}»
«r8_{R40}»
«shpat_{HEX32}»
«dop_v1_{HEX40}»
«sntrys_{R40}»
«glsa_{R20}{R20}_abcdef12»
«NRAK-{R20}»
«lin_api_{R40}»
«ntn_{R40}»
«figd_{R40}»
«PMAK-{HEX32}»
«ATATT3{R40}»
«dapi{HEX32}»
«tskey-auth-{R20}»
«AGE-SECRET-KEY-1{"QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L" * 2}»
«A3-ABC123-ABCDEF-ABCDE-ABCDE-ABCDE»
«{JWT}»
«-----BEGIN RSA PRIVATE KEY----- MIIEpAIBAAKCAQEA -----END RSA PRIVATE KEY-----»
«-----BEGIN OPENSSH PRIVATE KEY----- b3BlbnNzaC1rZXktdjE»
Authorization: Basic «aHVudGVyMjpodW50ZXIy»
proxy said: Basic «aHVudGVyMjpodW50ZXIy»
Bearer «{R20}»
Set-Cookie: sid=«{R20}»; HttpOnly
https://example.com/reset?token=«{R20}»
https://bucket.example.com/a?X-Amz-Credential=a&X-Amz-Signature=«{HEX40}»
otpauth://totp/x?secret=«JBSWY3DPEHPK3PXP»&issuer=x
the password is «hunter2»
my passphrase is "«correct4horse»"
random «{R40}» here
adafruit_io = «{HEX32}»
"algolia_id": "«{HEX32}»"
DATADOG: «{HEX40}»
codecov => «{UUID}»
oc login --token=«sha256~{R40}{R20}»
«API-ABCDEFGHIJKLMNOPQRSTUVWXYZ»
«access-sandbox-{UUID}»
«test_{HEX32}abc»
«FLWSECK_TEST-{HEX32}-X»
«pat.abcdefghijklmnopqrstuv.abcdefghijklmnopqrstuvwx.abcdefghijklmnopqrst»
docker run -e POSTGRES_PASSWORD=«secret» postgres
docker run -e MYSQL_ROOT_PASSWORD=«my-secret-pw» mysql
SMTP_PASS=«hunter2»
curl --data-urlencode 'client_secret=«abc def»' https://example.com
curl -H Authorization:\\ Bearer\\ «abc123def» https://example.com
mc alias set s3 https://s3.example.com AKIAX «swordfish»
curl -d 'user=joe&password=«swordfish»' https://example.com
curl -X POST -d '{{"password":"«swordfish»"}}' https://example.com
helm install x --set auth.password=«swordfish»
terraform apply -var 'db_password=«swordfish»'
DB password is `«hunter2»`
The admin password: «hunter2».
SMTP_PASS='«$ecret1»'
JWT_SECRET=«keyboardcat»
GH_TOKEN=«{R20}» gh pr list
ENCRYPTION_KEY=«{HEX32}»
SENTRY_DSN=https://«{HEX32}»@o1.ingest.sentry.io/1
JSESSIONID=«ABC123DEF456»
PIN: «4711»
otp=«123456»
-H "x-auth-token: «abcdef123»"
-H 'apikey: «{R20}»'
DJANGO_SECRET_KEY='«django-insecure-#a$b%c^d&e*f»'
jwt_secret: "«keyboard cat»"
"""

HARMLESS_LINES = f"""
Which token: JWT or session?
Which token should I use: a bearer token or a session cookie?
Should the password be required?
Password: required
password: invalid
Token expired
Token: missing
The token is invalid
The password is wrong
Fix the password reset
Add a secret manager
Reset password: send an email or an SMS?
Secret Santa: who gives what?
feat(token): refresh tokens before they expire
fix: token refresh loop
max_tokens: 4096 are fine
max_tokens=4096
tokens: 12000
token_count = 5
token_type: bearer
The tokenizer: fast or slow?
passwordless: yes
Basic understanding of the code
Basic authentication or bearer authentication?
Bearer authentication is missing
Authorization: required
api key: see docs
Where is the API key stored?
Rotate the API key?
Cookie: yes or no?
Accept cookies?
session: new
author: Jane Doe
pass: true
214 tests pass
compass=north
bypass=1
monkey: banana
keyboard: qwerty
key: value
sort_key=name
primary_key=id
cache_key: user
git show 45a8658666813b49e67f025f87d963632dcd50b5
git checkout 45a8658
git push -u origin main
git commit -m "Add password reset"
git log --author=jane
git config credential.helper store
ssh -p 2222 host
ssh git@github.com
git clone ssh://git@github.com/o/r.git
git clone git@github.com:o/r.git
git clone https://github.com/o/r.git
docker run -p 8080:80 nginx
docker run -u 1000:1000 -p 80:80 nginx
docker build --secret id=npm,src=.npmrc .
docker login registry.example.com
docker login --username me --password-stdin
mkdir -p src/app
cp -p a b
patch -p1 < fix.diff
psql -p 5432 shop
mysql -u root -p shop
mysql -P 3306 -h db
nc -u host 53
curl -u joe https://example.com
curl -u "$USER:$TOKEN" https://example.com
curl -H "Authorization: Bearer $TOKEN" https://example.com
curl -H "Authorization: Bearer ${{TOKEN}}" https://example.com
curl http://localhost:8080/health
curl http://localhost:4873/@scope/pkg
curl https://example.com/a?page=2&sort=name
export TOKEN=$(gh auth token)
export TOKEN="$GITHUB_TOKEN"
export PASSWORD
PASSWORD=$DB_PASSWORD ./run.sh
PASSWORD='$DB_PASSWORD' ./run.sh
DB_PASSWORD_FILE=/run/secrets/db_password
--password-file /run/secrets/db
--token-file token.txt
PWD=/home/me/code
echo $TOKEN
echo hello | tee out.txt
test -n "$API_KEY"
unset SECRET_KEY
grep -rn "password=" src/
grep -rn 'token:' src
rg "api_key" --type py
sed -i 's/password/passphrase/' a.txt
cat secrets.yaml
kubectl get secret db-password -o yaml
gh secret list
vault kv get secret/db
token = get_token()
token = response.token
password = getpass()
password = os.environ["DB_PASSWORD"]
secret = process.env.SECRET
const token = await getToken()
password: str
password: string
token: Optional[str] = None
password=None
api_key=settings.API_KEY
token: ${{{{ secrets.GITHUB_TOKEN }}}}
password: {{{{ vault_password }}}}
password: <your password>
id-token: write
secrets: inherit
if token == expected:
if (password === confirm) return
<input type="password" name="pw">
id {UUID}
sha256:{HEX32}{HEX32}
"integrity": "sha512-{R40}{R40}=="
md5 {HEX32}
ses_e042ac4c8ffeUJKDasZCSxKkBe
https://example.com/docs/getting-started#install
/home/me/projects/shop/src/components/PaymentForm.tsx
src/main/java/com/example/shop/AbstractPaymentProviderFactoryBean.java
AbstractSingletonProxyFactoryBeanGeneratorTest2
test_that_a_very_long_snake_case_name_is_not_a_secret_at_all_2
npm_config_registry=https://npm.example.com
npm run test:unit -- --watch
pip install pypi-publisher
a risk-averse basic idea
task-runner-2 and disk-usage-1
desk-booking-service-v2
sk-learn is not installed
ask-me-anything-2026-edition
v1.2.3-beta.4
2026-11-30T04:07:45.289Z
192.168.1.10:8080
user@example.com
Retry 2 in 8 s
Password: 8 characters minimum
Password: at least one digit
session: ses_e042ac4c8ffeUJKDasZCSxKkBe
auth: oauth2
auth=oauth2
pin: 13
pin=13
ffmpeg -i a.mp4 -pass 1 b.mp4
TOKEN= npm test
secretName: my-tls-cert
secret: my-tls-cert
password: Joi.string().min(8)
const secret = crypto.randomBytes(32)
password = input("Password: ")
token?: string;
github.com/x/y v1.2.3 h1:{R40}abc=
ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJx2mQ7rT4vB8nZ1pL5wC3dF6gH0jK2lM4nP6qRs me@host
token: string | null
auth: {{ user: joe }}
return f"token {{token}} is not known"
self._private_key = private_key
Event(secret=sender.secret, token=token)
device_token=(request.device_token or "").lower()
def learn(self, token: ProviderToken) -> None:
"WHERE secret_hash = ? AND device_token = ?"
log.info("token=%s", token)
give it by --password or a variable
relay pair --rotate-secret makes a new one
must be mysql://USER:PASSWORD@HOST:PORT/NAME
curl localhost:8901/control/deliveries/{UUID.upper()}
(`curl -u`, `mysql -p`). This is a net
headers = {{"Authorization": f"Bearer {{token}}"}}
netlify: deploy-preview-1234
The Twitter app: version 2 of the API
test_2026_11_30_login
trello: https://trello.com/b/abc12345
pin: v1.2.3
python -c 'token=get_token() or exit()'
pin the version: 1.2.3
pytest -k 'token or password'
Should I store the password in Postgres or Vault?
What should the token lifetime be: 15 min or 1 h?
Pass: 12, Fail: 0
Which database: Postgres or SQLite?
Which colour do you want? (Red / Blue)
print("Enter password:")
raise ValueError("token must not be empty")
"""


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line]
